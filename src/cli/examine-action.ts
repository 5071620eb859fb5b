import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureDefaultAction } from '../action/default-action.js';
import { InitTimeLimit } from '../action/init-time-limit.js';
import { warningOfExec } from '../action/init-warning.js';
import { install } from '../action/install.js';
import type { Config } from '../config/load.js';
import { interpreterOf, readElfInfo, readHead } from '../os/executable.js';
import { asServerUser } from '../os/file-scope.js';
import { FreezeAwareClock } from '../os/freeze-aware-clock.js';
import { textOfFailure } from '../protocol/errors.js';
import { messageOf } from '../protocol/message-of.js';

/** One thing that was looked at. */
export interface Finding {
  readonly check: 'archive' | 'start' | 'libraries' | 'template';
  readonly ok: boolean;
  /** A word for programs, of what is wrong. */
  readonly reason?: string;
  readonly text: string;
}

/** What an archive is held to. */
type Limits = Pick<Config, 'maxUnzippedBytes' | 'maxEntries' | 'maxUnzipRatio' | 'initTimeoutMs'>;

const LOADER_TIMEOUT_MS = 2000;

/**
 * Looks at an action as it is uploaded: installs it by the code of an init into a folder of its own, and looks whether its
 * `exec` can be started. No code of its author is run.
 *
 * @param describeTemplate what a template of the installed `exec` is; undefined: none is made
 */
export async function examineAction(
  zip: Buffer,
  limits: Limits,
  describeTemplate?: (exec: string, folder: string) => string,
): Promise<readonly Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-examined-'));
  const timeLimit = new InitTimeLimit(new FreezeAwareClock(), limits.initTimeoutMs, () => false);
  try {
    ensureDefaultAction(folder, asServerUser);
    const exec = join(folder, 'exec');
    const { failure, warning } = await install(
      // It is overwritten where it lies.
      { kind: 'archive', zip: Buffer.from(zip) },
      {
        ...{ actionRoot: folder, limits, timeLimit, scope: asServerUser },
        runExclusively: (work) => Promise.resolve(work()),
      },
    );
    const shown = (text: string): string => text.replaceAll(exec, 'exec');
    if (failure !== undefined) {
      const text = failure.code === 'init_no_exec' ? failure.detail : textOfFailure(failure);
      return [{ check: 'archive', ok: false, reason: failure.code, text: shown(text ?? '') }];
    }
    if (warning?.reason === 'no_exec' || warning?.reason === 'exec_misplaced')
      return [{ check: 'archive', ok: false, reason: warning.reason, text: shown(warning.text) }];
    const archive: Finding = { check: 'archive', ok: true, text: 'unpacks, with an exec at its top' };
    const start = startOf(exec);
    if (!start.ok) return [archive, { ...start, text: shown(start.text) }];
    const found: Finding[] = [archive, { ...start, text: shown(start.text) }, ...librariesOf(exec)];
    if (describeTemplate === undefined || found.some(({ ok }) => !ok)) return found;
    return [...found, { check: 'template', ok: true, text: describeTemplate(exec, folder) }];
  } finally {
    timeLimit.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function startOf(exec: string): Finding {
  const warning = warningOfExec(exec);
  if (warning !== undefined) return { check: 'start', ok: false, ...warning };
  const head = readHead(exec) ?? Buffer.alloc(0);
  const elf = readElfInfo(head);
  if (elf === undefined)
    return { check: 'start', ok: true, text: `a script for ${interpreterOf(head) ?? 'its interpreter'}` };
  const linked = elf.loader === undefined ? 'static' : `dynamic, by ${elf.loader}`;
  return { check: 'start', ok: true, text: `a program for ${elf.machine}, ${linked}` };
}

/** What the loader says that a dynamic program needs (ld.so(8), `--list`); the program itself is not run. */
function librariesOf(exec: string): Finding[] {
  const loader = readElfInfo(readHead(exec) ?? Buffer.alloc(0))?.loader;
  if (loader === undefined) return [];
  const options = { encoding: 'utf8', stdio: 'pipe', timeout: LOADER_TIMEOUT_MS } as const;
  let text: string;
  try {
    text = execFileSync(loader, ['--list', exec], options);
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    text = `${stdout ?? ''}${stderr ?? ''}`;
    if (text === '') return [{ check: 'libraries', ok: false, reason: 'unknown', text: messageOf(error) }];
  }
  const missing = [
    ...text.matchAll(/^\s*(\S+) => not found/gm),
    // As glibc's and as musl's loader have it.
    ...text.matchAll(/shared librar(?:ies:|y) ([^\s:]+):/g),
  ];
  const names = [...new Set(missing.flatMap(([, name]) => name ?? []))];
  if (names.length === 0) return [{ check: 'libraries', ok: true, text: 'all its libraries are there' }];
  return [
    {
      check: 'libraries',
      ok: false,
      reason: 'libraries_missing',
      text: `libraries are missing: ${names.join(', ')} (install them in the image, or link statically)`,
    },
  ];
}

/** The findings as lines for a person. */
export function findingLines(findings: readonly Finding[]): string {
  return findings
    .map(({ check, ok, reason, text }) => {
      const word = ok ? '' : `${reason ?? 'error'}: `;
      return `${check.padEnd(10)} ${ok ? 'ok' : 'error'}: ${word}${text}\n`;
    })
    .join('');
}
