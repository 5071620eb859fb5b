import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { interpreterOf, readElfInfo, readHead } from '../os/executable.js';
import {
  diagnoseInterpreterLine,
  interpreterLineTooLong,
  MAX_INTERPRETER_LINE_BYTES,
} from './diagnose-result.js';

/** Why `exec` could not be started, for its author. */
interface StartDiagnosis {
  /** Whether there is no executable file at all (C-RUN-15), or the system would not execute it (C-RUN-26). */
  readonly kind: 'no_exec' | 'start_failed';
  /** One word for programs. */
  readonly reason: string;
  /** One line for the log. */
  readonly text: string;
}

/**
 * Finds out why a start failed. Called after the fact, so that a start that works pays nothing for it.
 *
 * @param errno what the system said, as `ENOENT` (execve(2) lists what each can mean)
 */
export function diagnoseStartFailure(exec: string, errno: string): StartDiagnosis {
  const link = statPath(exec, lstatSync);
  if (link === undefined) return noExec('missing', `${findMissing(exec)} does not exist`);
  const stats = statPath(exec, statSync);
  if (link === 'forbidden' || stats === 'forbidden')
    return noExec('not_permitted', `${exec} can't be reached by user ${user()}`);
  if (link === 'circle' || stats === 'circle')
    return noExec('dangling_link', `${exec} is a link that leads in a circle`);
  if (stats === undefined)
    return noExec('dangling_link', `${exec} is a link to ${readlinkSync(exec)}, which does not exist`);
  if (stats.isDirectory()) return noExec('folder', `${exec} is a folder, not a file`);
  if (!stats.isFile()) return noExec('no_file', `${exec} is not a regular file`);
  if ((stats.mode & 0o111) === 0) {
    const mode = (stats.mode & 0o777).toString(8);
    return noExec('not_executable', `${exec} is not executable (mode ${mode}): chmod +x it before packing`);
  }
  if (errno === 'E2BIG') {
    return failed('too_large', `[Errno 7] Argument list too long: ${exec} can't take this much environment`);
  }
  if (!isAllowed(exec)) {
    return isOnNoexecMount(realpathSync(exec))
      ? noExec('noexec_mount', `${exec} lies on a file system that is mounted noexec`)
      : noExec('not_permitted', `${exec} may not be executed by user ${user()}`);
  }
  return diagnoseFormat(exec, errno);
}

/** What an error number adds to what can be seen of a file. */
const BY_ERRNO = new Set(['refused', 'interpreter_refused', 'too_large', 'not_permitted']);

/**
 * What is wrong with an `exec` that did not come to run, as far as the file itself shows it.
 *
 * @returns one line for the log; undefined where nothing is seen
 */
export function explainFile(exec: string): string | undefined {
  return predictStartFailure(exec)?.text;
}

/** As {@link explainFile}, with the word for programs. */
export function predictStartFailure(exec: string): Omit<StartDiagnosis, 'kind'> | undefined {
  const { reason, text } = diagnoseStartFailure(exec, 'ENOEXEC');
  if (!BY_ERRNO.has(reason)) return { reason, text };
  const line = diagnoseInterpreterLine(exec);
  return line === undefined ? undefined : { reason: 'interpreter_line', text: line };
}

/** The file, or its folder where an action has removed that. */
function findMissing(exec: string): string {
  const folder = dirname(exec);
  return existsSync(folder) ? exec : `the action folder ${folder}`;
}

/** What is at a path; undefined where nothing is, and why where it can't be looked at. */
function statPath(
  path: string,
  look: (path: string, options: { throwIfNoEntry: false }) => Stats | undefined,
): Stats | 'circle' | 'forbidden' | undefined {
  try {
    return look(path, { throwIfNoEntry: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP') return 'circle';
    if (code === 'EACCES') return 'forbidden';
    throw error;
  }
}

function user(): string {
  return String(process.getuid?.() ?? 'unknown');
}

function noExec(reason: string, text: string): StartDiagnosis {
  return { kind: 'no_exec', reason, text: `error: ${text}` };
}

function failed(reason: string, text: string): StartDiagnosis {
  return { kind: 'start_failed', reason, text: `error: ${text}` };
}

function isAllowed(exec: string): boolean {
  try {
    accessSync(exec, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether the mount that holds the path has the option noexec (proc(5), `/proc/[pid]/mountinfo`). */
function isOnNoexecMount(path: string): boolean {
  let best = { length: -1, options: '' };
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const fields = line.split(' ');
    const mountPoint = (fields[4] ?? '').replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const inside = path === mountPoint || path.startsWith(mountPoint === '/' ? '/' : `${mountPoint}/`);
    if (mountPoint !== '' && inside && mountPoint.length >= best.length) {
      best = { length: mountPoint.length, options: fields[5] ?? '' };
    }
  }
  return best.options.split(',').includes('noexec');
}

function diagnoseFormat(exec: string, errno: string): StartDiagnosis {
  const head = readHead(exec) ?? Buffer.alloc(0);
  if (head.toString('latin1', 0, 2) === '#!') return diagnoseScript(exec, head, errno);
  const elf = readElfInfo(head);
  if (elf !== undefined) {
    if (elf.machine !== elf.hostMachine && errno === 'ENOEXEC') {
      return failed(
        'wrong_architecture',
        `[Errno 8] Exec format error: ${exec} is built for ${elf.machine}, this machine is ${elf.hostMachine}`,
      );
    }
    if (elf.loader !== undefined && !exists(elf.loader)) {
      return failed(
        'loader_missing',
        `[Errno 2] No such file or directory: ${exec} needs the loader ${elf.loader}, which this image has not` +
          ` (link it statically, or take an image with that C library)`,
      );
    }
  }
  if (errno === 'ENOEXEC' && elf === undefined) return diagnoseNonProgram(exec, head);
  return failed('refused', `${errno}: the system would not execute ${exec}`);
}

/** How files begin that are taken for an action by mistake. */
const NON_PROGRAM_SIGNATURES: readonly (readonly [start: RegExp, reason: string, text: string])[] = [
  [
    /^\xef\xbb\xbf/,
    'byte_order_mark',
    'begins with a byte order mark (the bytes EF BB BF), so its #! line is none: save it as UTF-8 without one',
  ],
  [/^(\xff\xfe|\xfe\xff)/, 'utf16', 'is UTF-16: save it as UTF-8 without a byte order mark'],
  [/^\s+#!/, 'late_interpreter', 'has its #! line not at the very begin: remove what stands before it'],
  [/^UEsDB/, 'base64_zip', 'is a zip in base64: "binary" must be true in the init'],
  [/^H4sI/, 'base64_gzip', 'is a gzip file in base64: "binary" must be true in the init'],
  [/^PK\p{Cc}{2}/u, 'zip', 'is a zip itself: the archive holds another one'],
];

function diagnoseNonProgram(exec: string, head: Buffer): StartDiagnosis {
  if (head.length === 0) return failed('empty', `[Errno 8] Exec format error: ${exec} is empty`);
  const text = head.toString('latin1');
  const [, reason, what] = NON_PROGRAM_SIGNATURES.find(([start]) => start.test(text)) ?? [
    undefined,
    'unknown_format',
    'has no #! line and is no program for this system',
  ];
  return failed(reason, `[Errno 8] Exec format error: ${exec} ${what}`);
}

function diagnoseScript(exec: string, head: Buffer, errno: string): StartDiagnosis {
  const line = head.toString('utf8').split('\n', 1)[0] ?? '';
  if (errno === 'ENOEXEC' && line.length > MAX_INTERPRETER_LINE_BYTES)
    return { kind: 'start_failed', reason: 'interpreter_line_too_long', text: interpreterLineTooLong(exec) };
  const interpreter = interpreterOf(head);
  if (interpreter === undefined)
    return failed('no_interpreter', `[Errno 8] Exec format error: the #! line of ${exec} names nothing`);
  if (line.endsWith('\r') && !exists(interpreter)) {
    return failed(
      'crlf',
      `[Errno 2] No such file or directory: the #! line of ${exec} ends in CRLF, a Windows line break, so the` +
        ` system looks for ${JSON.stringify(interpreter)}: save it with LF line breaks`,
    );
  }
  if (!exists(interpreter)) {
    return failed(
      'interpreter_missing',
      `[Errno 2] No such file or directory: ${exec} needs the interpreter ${interpreter}, which this image has not`,
    );
  }
  return failed(
    'interpreter_refused',
    `${errno}: the interpreter ${interpreter} of ${exec} can't be executed`,
  );
}

/** In doubt it does: then it is something else that the system did not like. */
function exists(path: string): boolean {
  return statPath(path, statSync) !== undefined;
}
