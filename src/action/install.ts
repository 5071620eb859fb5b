import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { InitCode } from '../contract/init-body.js';
import type { Failure } from '../errors/table.js';
import { asServer, type FileScope } from '../process/acting-as.js';
import { type ArchiveLimits, planArchive } from './archive.js';
import { failureOf, UnsafeEntry } from './refusals.js';
import { Replacement } from './replace.js';
import { Staging } from './staging.js';

/** What came of it. */
export interface Installed {
  /** Undefined when the folder now has an executable `exec`. */
  readonly failure?: Failure;
  /** What was written, all files together. */
  readonly unpackedBytes: number;
}

/** Runs its work while no process is being started from the action folder. */
export type Exclusively = (work: () => void) => void;

/**
 * Brings the code of an init into the action folder, wholly or not at all (section 2, D-04).
 *
 * @param exclusively wraps the moment in which the new files take their places
 * @param scope works on the files of the action
 * @returns after a failure the folder is as it was
 */
export async function install(
  code: InitCode,
  actionRoot: string,
  limits: ArchiveLimits,
  exclusively: Exclusively,
  scope: FileScope = asServer,
): Promise<Installed> {
  const exec = join(actionRoot, 'exec');
  let unpackedBytes = 0;
  if (code.kind === 'none') {
    return isExecutable(exec) ? { unpackedBytes } : { failure: { code: 'init_no_exec' }, unpackedBytes };
  }
  let staging: Staging | undefined;
  try {
    const entries = code.kind === 'archive' ? await planArchive(code.zip, limits) : [];
    staging = new Staging(actionRoot, scope);
    unpackedBytes =
      code.kind === 'text'
        ? staging.writeText('exec', code.text, executableMode(modeOf(exec)))
        : await staging.writeArchive(entries, limits);
    const links = entries.filter(({ kind }) => kind === 'link').map(({ components }) => join(...components));
    const written = staging;
    const failure = scope(() => replace(written, actionRoot, links, exclusively));
    return failure === undefined ? { unpackedBytes } : { failure, unpackedBytes };
  } catch (error) {
    return { failure: failureOf(error), unpackedBytes };
  } finally {
    staging?.remove();
  }
}

function replace(
  staging: Staging,
  actionRoot: string,
  links: readonly string[],
  exclusively: Exclusively,
): Failure | undefined {
  Replacement.refuseWayThroughLinks(staging.files, actionRoot);
  const bringsExec = lstatSync(join(staging.files, 'exec'), { throwIfNoEntry: false }) !== undefined;
  const replacement = new Replacement(staging.replaced);
  let failure: Failure | undefined;
  exclusively(() => {
    try {
      if (bringsExec) makeExecutable(join(staging.files, 'exec'));
      // A process that has just been started may look for its script: not even for a moment may `exec` be none.
      const placed = replacement.apply(staging.files, actionRoot, () =>
        leadsToFile(staging.files, actionRoot),
      );
      // Where a link leads can only be told once everything lies in its place.
      if (placed) for (const link of links) refuseLinkToOutside(actionRoot, link);
      if (placed && bringsExec) makeExecutable(join(actionRoot, 'exec'));
      if (!placed || !isExecutable(join(actionRoot, 'exec'))) failure = { code: 'init_no_exec' };
    } catch (error) {
      failure = failureOf(error);
    }
    if (failure !== undefined) replacement.undo();
  });
  return failure;
}

/** Whether `exec` of the new files is a file, or a link that will have one at its end in the action folder. */
function leadsToFile(files: string, actionRoot: string): boolean {
  const exec = join(files, 'exec');
  const stats = lstatSync(exec);
  if (!stats.isSymbolicLink()) return stats.isFile();
  const end = join(actionRoot, readlinkSync(exec));
  return existsSync(end) && statSync(end).isFile();
}

/**
 * Refuses a link that leads outside the action folder by way of another that lay there before (C-INIT-10).
 *
 * @throws UnsafeEntry
 */
function refuseLinkToOutside(actionRoot: string, link: string): void {
  const root = realpathSync(actionRoot);
  const path = join(actionRoot, link);
  const parent = dirname(join(dirname(path), readlinkSync(path)));
  for (const way of [parent, path]) {
    // Nothing at the end of a link is no way out.
    const end = existsSync(way) ? realpathSync(way) : root;
    if (end !== root && !end.startsWith(`${root}/`)) {
      throw new UnsafeEntry(`the link ${JSON.stringify(link)} leads outside the action folder`);
    }
  }
}

/** `exec` gets its x bits whatever the archive says (C-INIT-08, C-INIT-09). */
function makeExecutable(path: string): void {
  // existsSync, for a link may lead nowhere or in a circle.
  const stats = existsSync(path) ? statSync(path) : undefined;
  if (!stats?.isFile()) return;
  const mode = stats.mode & 0o777;
  if (mode !== executableMode(mode)) chmodSync(path, executableMode(mode));
}

/** The mode with an x bit for the owner and for all who may read: 750 stays as it is (C-INIT-04), 644 is 755. */
function executableMode(mode: number): number {
  return mode | ((mode & 0o444) >> 2) | 0o100;
}

/** The mode a rewritten `exec` keeps (C-INIT-04); that of the stub where there was none. */
function modeOf(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() ? stats.mode & 0o777 : 0o755;
}

/** Whether the path leads to a file that this user may execute. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
