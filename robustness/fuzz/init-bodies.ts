import type { Protocol } from '../../conformance/case.js';
import { pick, type RandomSource } from '../support/random.js';
import { mutatedBytes } from './http-productions.js';
import { jsonText } from './json-bodies.js';

const CODES = [
  '"#!/bin/sh\\necho {}\\n"',
  '"#!/bin/sh\\nwhile read -r l; do echo {} >&3; done\\n"',
  'null',
  '5',
  '[]',
  '""',
  'true',
] as const;
const BINARIES = ['false', 'false', 'false', 'null', 'true', '0', '"false"', '{}'] as const;
const ENVIRONMENTS = [
  '{}',
  '{"A":"b"}',
  '{"A":1,"B":null,"C":[1],"D":true}',
  '{"":"x"}',
  '{"A=B":"x"}',
  '{"A":"\\u0000"}',
  '[]',
  '"x"',
  'null',
  '{"__proto__":"x","constructor":"y"}',
] as const;

/** The body of an init without an archive: fields of right and wrong types, sometimes mutated or no JSON at all. */
export function initText(random: RandomSource): Buffer {
  const fields = [
    `"code":${pick(random, CODES)}`,
    `"binary":${pick(random, BINARIES)}`,
    `"env":${pick(random, ENVIRONMENTS)}`,
    `"main":${random() < 0.5 ? '"main"' : jsonText(random)}`,
    `"${pick(random, ['name', 'x', 'value', '__proto__'])}":${jsonText(random)}`,
  ].filter(() => random() < 0.7);
  const value = random() < 0.1 ? jsonText(random) : `{${fields.join(',')}}`;
  const text = Buffer.from(random() < 0.05 ? jsonText(random) : `{"value":${value}}`);
  return random() < 0.3 ? mutatedBytes(random, text) : text;
}

/**
 * Whether the contract lets an init with this body succeed: by JSON.parse and the types of the fields
 * (C-INIT-16, C-INIT-19, C-INIT-24, C-INIT-26, C-AL-03, C-AL-05). Undefined if it leaves that open.
 */
export function maySucceed(protocol: Protocol, body: Buffer): boolean | undefined {
  if (protocol === 'knative' || body.length === 0) return undefined;
  const request = parse(body);
  if (request === undefined) return false;
  if (!isObject(request)) return false;
  if (!Object.hasOwn(request, 'value')) return protocol === 'classic' ? undefined : false;
  const { value } = request as { value: unknown };
  if (!isObject(value)) return false;
  const { code, binary, env } = value as Record<string, unknown>;
  if (code !== undefined && code !== null && typeof code !== 'string') return false;
  if (binary !== undefined && binary !== null && typeof binary !== 'boolean') return false;
  if (env !== undefined && env !== null && !isObject(env)) return false;
  if (binary === true && (code === '' || typeof code === 'string')) return undefined;
  if (protocol === 'actionloop' && (code === undefined || code === null || code === '')) return false;
  return undefined;
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
