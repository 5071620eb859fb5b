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
import { type ArchiveLimits, planArchive } from './archive.js';
import { failureOf, UnsafeEntry } from './refusals.js';
import { Replacement } from './replace.js';
import { Staging } from './staging.js';

/** Runs its work while no process is being started from the action folder. */
export type Exclusively = (work: () => void) => void;

/**
 * Brings the code of an init into the action folder, wholly or not at all (section 2, D-04).
 *
 * @param exclusively wraps the moment in which the new files take their places
 * @returns undefined when the folder now has an executable `exec`, else the failure; after a failure the
 *   folder is as it was
 */
export async function install(
  code: InitCode,
  actionRoot: string,
  limits: ArchiveLimits,
  exclusively: Exclusively,
): Promise<Failure | undefined> {
  const exec = join(actionRoot, 'exec');
  if (code.kind === 'none') return isExecutable(exec) ? undefined : { code: 'init_no_exec' };
  let staging: Staging | undefined;
  try {
    const entries = code.kind === 'archive' ? await planArchive(code.zip, limits) : [];
    staging = new Staging(actionRoot);
    if (code.kind === 'text') staging.writeText('exec', code.text, modeOf(exec) | 0o111);
    else await staging.writeArchive(entries, limits);
    const links = entries.filter(({ kind }) => kind === 'link').map(({ components }) => join(...components));
    return replace(staging, actionRoot, links, exclusively);
  } catch (error) {
    return failureOf(error);
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
      replacement.apply(staging.files, actionRoot);
      // Where a link leads can only be told once everything lies in its place.
      for (const link of links) refuseLinkToOutside(actionRoot, link);
      if (bringsExec) makeExecutable(join(actionRoot, 'exec'));
      if (!isExecutable(join(actionRoot, 'exec'))) failure = { code: 'init_no_exec' };
    } catch (error) {
      failure = failureOf(error);
    }
    if (failure !== undefined) replacement.undo();
  });
  return failure;
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
  if (stats?.isFile() && (stats.mode & 0o111) !== 0o111) chmodSync(path, (stats.mode & 0o777) | 0o111);
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
