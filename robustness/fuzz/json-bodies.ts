import type { Protocol } from '../../conformance/case.js';
import { below, bytesOf, pick, type RandomSource } from '../support/random.js';
import type { Demand, HttpCase } from './http-case.js';
import { mutatedBytes } from './http-productions.js';
import { runParts, withLength } from './http-requests.js';

const TEXTS = [
  '',
  'a',
  '\\u0000',
  '\\ud83d\\ude00',
  'é',
  '\\"',
  '\\\\',
  'x'.repeat(300),
  '\\n',
  '__proto__',
  'constructor',
  'value',
] as const;
const SCALARS = [
  '0',
  '-0',
  '1',
  '1.50',
  '1e400',
  '-1e-400',
  '9007199254740993',
  '123456789012345678901234567890',
  'true',
  'false',
  'null',
  '""',
] as const;
const WRONG = [
  'NaN',
  'Infinity',
  '01',
  '1.',
  '+1',
  "'a'",
  '{a:1}',
  '[1,]',
  '{"a":1,}',
  '"\t"',
  '"\\x"',
  '"\\u12"',
  'tru',
  '/**/1',
  '\ufeff',
  '',
] as const;
const MAX_DEPTH = 4;
/** Beyond this a body is refused although it is JSON. */
const CONTRACT_DEPTH = 10_000;

/** A text that is JSON nearly always. */
export function jsonText(random: RandomSource, depth = 0): string {
  const kind = depth >= MAX_DEPTH ? below(random, 2) : below(random, 5);
  if (kind === 0) return random() < 0.02 ? pick(random, WRONG) : pick(random, SCALARS);
  if (kind === 1) return `"${pick(random, TEXTS)}"`;
  const space = pick(random, ['', '', ' ', '\n', '\r\n\t']);
  const items = Array.from({ length: below(random, 5) }, () => jsonText(random, depth + 1));
  if (kind === 2) return `[${space}${items.join(`,${space}`)}]`;
  return `{${items.map((item) => `${space}"${pick(random, TEXTS)}":${space}${item}`).join(',')}${space}}`;
}

/** The body of a run: usually an object with `value`, sometimes anything. */
function runText(random: RandomSource): string {
  const rare = random();
  if (rare < 0.1) return jsonText(random);
  if (rare < 0.13) return `{"value":${'['.repeat(1000)}${']'.repeat(1000)}}`;
  const further = pick(random, [
    '',
    '',
    ',"namespace":"n"',
    ',"deadline":5',
    ',"api_key":null',
    ',"activation_id":"a"',
    ',"x":"y"',
  ]);
  return `{"value":${jsonText(random)}${further}}`;
}

/**
 * A run without a token, whose action answers its arguments.
 *
 * @returns its demand comes from JSON.parse and the contract's rules; it is undefined where they leave it open
 */
export function jsonCase(random: RandomSource, protocol: Protocol): HttpCase {
  const text = Buffer.from(runText(random));
  const body = random() < 0.4 ? mutatedBytes(random, text) : random() < 0.03 ? bytesOf(random, 50) : text;
  const demand = demandFor(protocol, body);
  const steps = [{ send: withLength({ ...runParts(protocol, 'none'), body }) }];
  return {
    name: 'json',
    steps,
    tokens: [],
    isWhole: true,
    maxRequests: 1,
    ...(demand === undefined ? {} : { demand }),
  };
}

/** What the contract demands as answer to a run with this body, of an action that answers its arguments. */
export function demandFor(protocol: Protocol, body: Buffer): Demand | undefined {
  if (protocol === 'knative') return undefined;
  // C-RUN-01: an empty body and null are {}; C-RUN-02 leaves other falsy bodies open.
  if (protocol === 'classic' && body.length === 0) return { status: [200], value: {} };
  const parsed = parse(body);
  if (parsed === 'undecided') return undefined;
  if (protocol === 'actionloop') {
    if (parsed === undefined) return body.length === 0 ? undefined : { status: [400] };
    if (!isContainer(parsed.value)) return { status: [400, 502] };
    return mayControl(body) ? undefined : { status: [200], value: parsed.value };
  }
  if (parsed?.value === null) return { status: [200], value: {} };
  if (parsed === undefined) return { status: [400] };
  const { value } = parsed;
  if (!value || (Array.isArray(value) && value.length === 0)) return undefined;
  if (!isContainer(value) || Array.isArray(value)) return { status: [404] };
  if (Object.keys(value).some((key) => key !== 'value' && !isPlainName(key))) return undefined;
  if ('activation' in value || mayControl(body)) return undefined;
  if (Object.values(value).some((one) => typeof one === 'string' && one.includes('\0'))) return undefined;
  if (!Object.hasOwn(value, 'value')) return { status: [200], value: {} };
  const argument = (value as { value: unknown }).value;
  return isContainer(argument) ? { status: [200], value: argument } : { status: [404] };
}

/** Parsed as RFC 8259 says; undefined if that fails; `undecided` for what the contract limits besides. */
function parse(body: Buffer): { value: unknown } | 'undecided' | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
    if (text.startsWith('\ufeff') || text.trim() === '') return 'undecided';
    if ((text.match(/[[{]/g)?.length ?? 0) > CONTRACT_DEPTH) return 'undecided';
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

const isContainer = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isPlainName = (key: string): boolean => /^[A-Za-z_]+$/.test(key);

/** Whether the action would do something else than answer its arguments, or lone surrogates make them no UTF-8. */
function mayControl(body: Buffer): boolean {
  return /"(?:token|end|forks|killAll|leave|sleepMs|logLines|padBytes)"|\\ud[89a-f]|\\u0000/i.test(
    body.toString('latin1'),
  );
}
