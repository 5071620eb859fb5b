import { type ChildProcess, type SpawnOptions, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { CONFINE, type Confinement, ERROR_BYTES, errorIn } from './rights.js';

/** What is started, as child_process takes it. */
export interface SpawnRequest {
  readonly exec: string;
  readonly arguments: readonly string[];
  readonly options: Omit<SpawnOptions, 'stdio'>;
  /** One for each descriptor, from 0 on. */
  readonly stdio: readonly ('pipe' | number)[];
}

/**
 * Starts a program with Node's own child_process, and with rights taken away where that is wanted.
 *
 * @returns the process, once the program is executed; or the error, as `ENOENT`
 */
export function spawnConfined(
  { exec, arguments: given, options, stdio }: SpawnRequest,
  confinement: Confinement | undefined,
): ChildProcess | string | Promise<ChildProcess | string> {
  const own = confinement === undefined;
  const path = own ? exec : confinement.path;
  const list = own ? [...given] : [CONFINE, confinement.text, String(stdio.length), exec, ...given];
  const all = (own ? [...stdio] : [...stdio, 'pipe']) as StdioOptions;
  let child: ChildProcess;
  try {
    child = spawn(path, list, { ...options, stdio: all });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EINVAL';
  }
  if (child.pid === undefined) return failed(child);
  return own ? child : executed(child, child.stdio[stdio.length] as Readable);
}

async function failed(child: ChildProcess): Promise<string> {
  const [error] = (await once(child, 'error')) as [NodeJS.ErrnoException];
  return error.code ?? 'EINVAL';
}

/** The helper's descriptor ends with its own program, or tells why that was not replaced by another. */
async function executed(child: ChildProcess, report: Readable): Promise<ChildProcess | string> {
  const reported: Buffer[] = [];
  report.on('data', (chunk: Buffer) => reported.push(chunk));
  report.on('error', () => report.destroy());
  if (!report.closed) await once(report, 'close');
  const bytes = Buffer.concat(reported);
  if (bytes.length < ERROR_BYTES) return child;
  for (const stream of child.stdio) stream?.destroy();
  return errorIn(bytes);
}
