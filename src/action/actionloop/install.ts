import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setMode } from '../../os/file-mode.js';
import type { FileScope } from '../../os/file-scope.js';
import type { Confinement } from '../../os/rights.js';
import type { Failure } from '../../protocol/errors.js';
import { MESSAGE_EXITED } from '../../protocol/texts.js';
import { failureOf, InvalidArchiveError } from '../archive/errors.js';
import { formatOf } from '../archive/file-formats.js';
import type { ArchiveLimits } from '../archive/unpack-budget.js';
import { misplacedExecIn } from '../find-nested-exec.js';
import type { InitTimeLimit } from '../init-time-limit.js';
import { StagingFolder } from '../staging.js';
import { unpack } from '../unpack.js';
import { type Compilation, compile, isProgram } from './compiler.js';
import { UNFINISHED_MARKER } from './recover.js';

/** What an ActionLoop init brings, and what it is checked against. */
interface ActionLoopInstallOptions {
  readonly code: Buffer;
  readonly main: string;
  readonly actionRoot: string;
  readonly limits: ArchiveLimits;
  /** OW_COMPILER; undefined for none. */
  readonly compiler: string | undefined;
  /** OW_EXECUTION_ENV: what `exec.env` must say; undefined where it need not. */
  readonly executionEnvironment: string | undefined;
  /** Entries `NAME=value` of the action. */
  readonly environment: readonly Buffer[];
  readonly timeLimit: InitTimeLimit;
  /** What takes rights away from the compiler; undefined: nothing does. */
  readonly confinement: Confinement | undefined;
  /** Works on the files of the action. */
  readonly scope: FileScope;
}

/** Where an action was installed. */
interface ActionLoopInstallResult {
  /** The folder of this init alone, `N` below the action root. */
  readonly folder: string;
  readonly exec: string;
  /** What was unpacked, all files together. */
  readonly unpackedBytes: number;
}

/** A failure, and what of it goes to the action's log. */
export interface ActionLoopInstallFailure {
  readonly failure: Failure;
  /** For stdout. */
  readonly stdoutLog?: string;
  /** For stderr. */
  readonly stderrLog?: string;
}

/** How a zip begins: with an entry, the end of an empty one, or a mark that it may be split (APPNOTE.TXT 8.5). */
const ZIP_STARTS = ['PK\x03\x04', 'PK\x05\x06', 'PK\x07\x08', 'PK00'];
const GZIP_START = '\x1f\x8b';

/**
 * Installs the upload of an init into a new folder `N/bin` (C-AL-02): an archive is unpacked, a single file
 * becomes `exec`, source text is compiled where a compiler is set (C-AL-02). After a failure nothing is left.
 */
export async function installActionLoop(
  installation: ActionLoopInstallOptions,
): Promise<ActionLoopInstallResult | ActionLoopInstallFailure> {
  const { actionRoot, scope } = installation;
  let staging: StagingFolder | undefined;
  let folder: string | undefined;
  try {
    staging = new StagingFolder(actionRoot, scope);
    const unpackedBytes = await unpackInto(installation, staging.files);
    folder = scope(() => newFolder(actionRoot));
    const bin = join(folder, 'bin');
    const failure =
      (await placeFiles(installation, staging.files, folder, bin)) ?? scope(() => missingExec(bin));
    if (failure === undefined) return { folder, exec: join(bin, 'exec'), unpackedBytes };
    removeFolder(folder, scope);
    return failure;
  } catch (error) {
    if (folder !== undefined) removeFolder(folder, scope);
    return { failure: failureOf(error) };
  } finally {
    await staging?.remove();
  }
}

/** Removes what an init has installed. */
function removeFolder(folder: string, scope: FileScope): void {
  scope(() => rmSync(folder, { recursive: true, force: true }));
}

async function unpackInto(
  { code, limits, timeLimit, scope }: ActionLoopInstallOptions,
  files: string,
): Promise<number> {
  const head = code.toString('latin1', 0, 4);
  const format = ZIP_STARTS.includes(head) ? 'zip' : head.startsWith(GZIP_START) ? 'tar.gz' : undefined;
  if (format !== undefined) return unpack({ format, packed: code, folder: files, limits }, timeLimit, scope);
  const other = formatOf(code);
  if (other !== undefined) throw new InvalidArchiveError(`it is ${other}: zip and tar.gz are taken`);
  scope(() => writeFileSync(join(files, 'exec'), code, { mode: 0o755 }));
  return code.length;
}

async function placeFiles(
  {
    compiler,
    main,
    environment,
    executionEnvironment,
    timeLimit,
    confinement,
    scope,
  }: ActionLoopInstallOptions,
  files: string,
  folder: string,
  bin: string,
): Promise<ActionLoopInstallFailure | undefined> {
  if (compiler === undefined || scope(() => isProgram(join(files, 'exec')))) {
    scope(() => renameSync(files, bin));
  } else {
    const source = join(folder, 'src');
    scope(() => {
      renameSync(files, source);
      mkdirSync(bin);
    });
    const compilation: Compilation = {
      ...{ compiler, main, environment, timeLimit, confinement },
      sourceFolder: source,
      binFolder: bin,
    };
    const complaint = await compile(compilation);
    if (complaint !== undefined)
      return { failure: { code: 'loop_not_compiled', detail: complaint }, stdoutLog: complaint };
    if (!scope(() => exists(join(bin, 'exec')))) {
      return {
        failure: { code: 'loop_not_compiled', detail: 'cannot compile' },
        stdoutLog: 'cannot compile',
      };
    }
  }
  const exec = join(bin, 'exec');
  return scope(() => {
    if (exists(exec)) setMode(exec, 0o755);
    return executionEnvironment === undefined ? undefined : environmentMismatch(bin, executionEnvironment);
  });
}

/** As the start of it would fail (C-AL-09), and where there is one, for whoever packed it with the folder around it. */
function missingExec(bin: string): ActionLoopInstallFailure | undefined {
  if (exists(join(bin, 'exec'))) return undefined;
  const found = misplacedExecIn(bin);
  const where = found === undefined ? '' : `, but there is ${found}`;
  const stderrLog = `error: there is no file named exec at the top of the archive${where}`;
  return { failure: { code: 'loop_start_failed', detail: MESSAGE_EXITED }, stderrLog };
}

/** The archive must be made for this very environment (C-AL-11). */
function environmentMismatch(bin: string, expected: string): ActionLoopInstallFailure | undefined {
  const path = join(bin, 'exec.env');
  if (!exists(path)) {
    return { failure: { code: 'loop_start_failed', detail: `open ${path}: no such file or directory` } };
  }
  const actual = readFileSync(path, 'utf8').trim();
  if (actual === expected) return undefined;
  const stdoutLog = `Expected exec.env should start with ${expected}\nActual value: ${actual}`;
  return {
    failure: {
      code: 'loop_start_failed',
      detail: 'Execution environment version mismatch. See logs for details.',
    },
    stdoutLog,
  };
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** The next number after all that are there, as in the peer. */
function newFolder(actionRoot: string): string {
  const numbers = readdirSync(actionRoot).filter((name) => /^\d{1,9}$/.test(name));
  const folder = join(
    actionRoot,
    String(numbers.reduce((most, name) => Math.max(most, Number(name)), 0) + 1),
  );
  mkdirSync(folder);
  writeFileSync(join(folder, UNFINISHED_MARKER), '');
  return folder;
}
