import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONFINE, type Confinement, errorIn, type Rights, rightsText } from '../../os/rights.js';
import { STUB_CODE } from './stub-code.js';

/**
 * Prepares what actions are started with where their rights are not the server's own, and tries it.
 *
 * @throws Error for the operator, where no process can be started with these rights
 */
export async function confinementOf(rights: Rights): Promise<Confinement> {
  const helper = await openHelper();
  const confinement = {
    descriptor: helper,
    path: `/proc/self/fd/${helper}`,
    text: rightsText(rights),
    rights,
  };
  // Otherwise the helper only reports what it sees.
  const trial = [CONFINE, confinement.text, '3', '/proc/self/exe'];
  const { output, error } = spawnSync(confinement.path, trial, {
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  });
  const reported = output?.[3] ?? Buffer.alloc(0);
  const reason = error?.message ?? (reported.length === 0 ? undefined : errorIn(reported));
  if (reason !== undefined)
    throw new Error(`no process can be started with the rights that are set for actions: ${reason}`);
  return confinement;
}

/** A descriptor of the helper, closed on exec; it stays open as long as this process. */
async function openHelper(): Promise<number> {
  const code = STUB_CODE[process.arch as keyof typeof STUB_CODE];
  if (code === undefined) throw new Error(`rights of actions can't be set on the processor ${process.arch}`);
  const program = Buffer.from(code.helper, 'base64');
  try {
    const { createHelperMemfd } = await import('./helper-memfd.js');
    return createHelperMemfd(program);
  } catch {
    return helperInFile(program);
  }
}

/** Where the C library can't be called. */
function helperInFile(program: Buffer): number {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-helper-'));
  try {
    const path = join(folder, 'helper');
    writeFileSync(path, program, { mode: 0o755 });
    return openSync(path, 'r');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
