import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PROJECT } from '../../bench/support/paths.js';
import type { Protocol } from '../../conformance/case.js';
import { type Entry, FILE, zipOf } from '../../conformance/support/zip.js';

const execute = promisify(execFile);
const SOURCE = join(PROJECT, 'robustness/c/probe.c');

/** The tools' own action, for each protocol. */
export interface Probes {
  readonly classic: Buffer;
  readonly actionloop: Buffer;
}

/** Compiles the action (robustness/c/probe.c) into the folder. */
export async function buildProbes(folder: string): Promise<Probes> {
  const build = async (name: string, ...flags: string[]): Promise<Buffer> => {
    const path = join(folder, name);
    await execute('gcc', ['-O2', '-Wall', '-Wextra', '-static', ...flags, '-o', path, SOURCE]);
    return readFileSync(path);
  };
  const [classic, actionloop] = await Promise.all([build('probe'), build('probe-loop', '-DACTIONLOOP')]);
  return { classic, actionloop };
}

/** The path and body of the request that initialises a server with the action, and further files beside it. */
export function probeInit(
  protocol: Protocol,
  probes: Probes,
  further: readonly Entry[] = [],
): { path: string; body: string } {
  const data = protocol === 'actionloop' ? probes.actionloop : probes.classic;
  const code = zipOf([{ name: 'exec', data, mode: FILE | 0o755 }, ...further]).toString('base64');
  const value = { name: 'probe', main: 'main', code, binary: true };
  return protocol === 'knative'
    ? { path: '/', body: JSON.stringify({ init: value }) }
    : { path: '/init', body: JSON.stringify({ value }) };
}
