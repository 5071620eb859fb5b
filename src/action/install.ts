import { existsSync, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isExecutable } from '../os/executable.js';
import { setMode } from '../os/file-mode.js';
import type { FileScope } from '../os/file-scope.js';
import type { InitWarning } from '../protocol/answer.js';
import type { Failure } from '../protocol/errors.js';
import type { InitCode } from '../protocol/init-body.js';
import { failureOf } from './archive/errors.js';
import type { ArchiveLimits } from './archive/unpack-budget.js';
import { isDefaultAction } from './default-action.js';
import { diagnoseStartFailure } from './diagnose-start.js';
import { misplacedExecIn } from './find-nested-exec.js';
import type { InitTimeLimit } from './init-time-limit.js';
import { warningOfExec, warningWithoutCode, warningWithoutExec } from './init-warning.js';
import { lstat } from './journal.js';
import { Replacement } from './replacement.js';
import { StagingFolder } from './staging.js';
import { unpack } from './unpack.js';

/** What came of it. */
interface InstallResult {
  /** Undefined when the folder now has an executable `exec`. */
  readonly failure?: Failure;
  /** Where there is no failure and still something that is hardly meant. */
  readonly warning?: InitWarning;
  /** What was written, all files together. */
  readonly unpackedBytes: number;
}

/** Runs its work while no process is being started from the action folder. */
type RunExclusively = (work: () => void) => Promise<void>;

/** What an init is installed with. */
interface InstallOptions {
  readonly actionRoot: string;
  readonly limits: ArchiveLimits;
  readonly timeLimit: InitTimeLimit;
  /** Wraps the moment in which the new files take their places. */
  readonly runExclusively: RunExclusively;
  /** Works on the files of the action. */
  readonly scope: FileScope;
}

/**
 * Brings the code of an init into the action folder, wholly or not at all (C-INIT-23).
 *
 * @returns after a failure the folder is as it was
 */
export async function install(code: InitCode, installation: InstallOptions): Promise<InstallResult> {
  const { actionRoot, limits, timeLimit, runExclusively, scope } = installation;
  const exec = join(actionRoot, 'exec');
  let unpackedBytes = 0;
  if (code.kind === 'none') {
    if (!scope(() => isExecutable(exec))) return { failure: scope(() => withoutExec(exec)), unpackedBytes };
    return {
      unpackedBytes,
      ...withWarning(
        warningWithoutCode(
          code,
          scope(() => isDefaultAction(exec)),
        ),
      ),
    };
  }
  let staging: StagingFolder | undefined;
  try {
    staging = new StagingFolder(actionRoot, scope);
    const { files } = staging;
    unpackedBytes =
      code.kind === 'text'
        ? staging.writeText('exec', code.text, executableMode(scope(() => modeOf(exec))))
        : await unpack({ format: 'zip', packed: code.zip, folder: staging.files, limits }, timeLimit, scope);
    timeLimit.throwIfOver();
    const bringsExec = scope(() => lstat(join(files, 'exec')) !== undefined);
    const foundElsewhere = bringsExec ? undefined : scope(() => misplacedExecIn(files));
    const failure =
      scope(() => misplacedExec(files, actionRoot)) ??
      (await replace(staging, actionRoot, runExclusively, scope));
    if (failure !== undefined) return { failure, unpackedBytes };
    return {
      unpackedBytes,
      ...withWarning(
        scope(() =>
          bringsExec ? warningOfExec(exec) : warningWithoutExec(foundElsewhere, isDefaultAction(exec)),
        ),
      ),
    };
  } catch (error) {
    return { failure: failureOf(error), unpackedBytes };
  } finally {
    await staging?.remove();
  }
}

function withWarning(warning: InitWarning | undefined): Pick<InstallResult, 'warning'> {
  return warning === undefined ? {} : { warning };
}

/** Files that were packed with the folder around them would leave the default action to answer for the action. */
function misplacedExec(files: string, actionRoot: string): Failure | undefined {
  if (lstat(join(files, 'exec')) !== undefined || !isDefaultAction(join(actionRoot, 'exec')))
    return undefined;
  const found = misplacedExecIn(files);
  return found === undefined ? undefined : { code: 'init_exec_misplaced', detail: found };
}

async function replace(
  staging: StagingFolder,
  actionRoot: string,
  runExclusively: RunExclusively,
  scope: FileScope,
): Promise<Failure | undefined> {
  const { files, replaced, journal } = staging;
  scope(() => Replacement.rejectSymlinkedPaths(files, actionRoot));
  const bringsExec = scope(() => lstat(join(files, 'exec')) !== undefined);
  const replacement = scope(() => new Replacement({ files, replaced, actionRoot }, journal));
  let failure: Failure | undefined;
  const place = (): void => {
    try {
      if (bringsExec) makeExecutable(files);
      // A process that has just been started may look for its script: not even for a moment may `exec` be none.
      const placed = replacement.apply(() => resolvesToFile(files, actionRoot));
      if (placed && bringsExec) makeExecutable(actionRoot);
      const exec = join(actionRoot, 'exec');
      if (!placed || !isExecutable(exec)) failure = withoutExec(placed ? exec : join(files, 'exec'), exec);
    } catch (error) {
      failure = failureOf(error);
    }
    if (failure === undefined) replacement.commit();
    else replacement.undo();
  };
  await runExclusively(() => scope(place));
  return failure;
}

/** Why it will not do, for the log: the answer has the contract's text. */
function withoutExec(exec: string, shown = exec): Failure {
  return { code: 'init_no_exec', detail: diagnoseStartFailure(exec, 'EACCES').text.replaceAll(exec, shown) };
}

/** Whether `exec` of the new files is a file, or a link that has one at its end when all else lies in its place. */
function resolvesToFile(files: string, actionRoot: string): boolean {
  const exec = join(files, 'exec');
  if (!lstatSync(exec).isSymbolicLink()) return lstatSync(exec).isFile();
  const end = resolve(actionRoot, readlinkSync(exec));
  return existsSync(end) && statSync(end).isFile();
}

/** `exec` gets its x bits whatever the archive says (C-INIT-08, C-INIT-09); what lies outside the folder does not. */
function makeExecutable(folder: string): void {
  const exec = join(folder, 'exec');
  // existsSync, for a link may lead nowhere or in a circle.
  if (!existsSync(exec) || !realpathSync(exec).startsWith(`${realpathSync(folder)}/`)) return;
  const stats = statSync(exec);
  if (!stats.isFile()) return;
  const mode = stats.mode & 0o777;
  if (mode !== executableMode(mode)) setMode(exec, executableMode(mode));
}

/** The mode with an x bit for the owner and for all who may read: 750 stays as it is (C-INIT-04), 644 is 755. */
function executableMode(mode: number): number {
  return mode | ((mode & 0o444) >> 2) | 0o100;
}

/** The mode a rewritten `exec` keeps (C-INIT-04); that of the default action where there was none. */
function modeOf(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() ? stats.mode & 0o777 : 0o755;
}
