import { archiveBody, FILE, FOLDER, script, textBody, zipOf } from '../support/archives.js';

/** A mistake that authors of actions make, and what they must see. */
export interface Mistake {
  readonly what: string;
  /** The body of the init. */
  readonly init: string;
  /** Where it is seen: the init warns, or fails, or the run fails. */
  readonly at: 'warning' | 'init' | 'run';
  /** X-Hyperskeleton-Reason or X-Hyperskeleton-Warning; undefined where the error text itself says it. */
  readonly reason?: string;
  /** In the server's log or, of what could not be started or unpacked, in the log or the answer of the activation. */
  readonly sentence: RegExp;
}

const ok = script('exec', 'echo "{}"');

const sh = (what: string, body: string, reason: string, sentence: RegExp): Mistake => ({
  what,
  init: textBody(`#!/bin/sh\n${body}\n`),
  at: 'run',
  reason,
  sentence,
});

const exec = (what: string, code: string, reason: string, sentence: RegExp): Mistake => ({
  what,
  init: textBody(code),
  at: 'warning',
  reason,
  sentence,
});

/** The commonest ones. */
export const MISTAKES: readonly Mistake[] = [
  sh(
    'prints its result over several lines',
    'printf "{\\n  \\"a\\": 1\\n}\\n"',
    'not_one_line',
    /on one line/,
  ),
  sh('prints an array over several lines', 'printf "[\\n1,\\n{}]\\n"', 'not_one_line', /on one line/),
  sh('prints something behind the result', 'echo "{}"; echo done', 'not_last_line', /must be the last line/),
  sh(
    'prints an empty line behind the result',
    'printf "{}\\n\\n"',
    'empty_last_line',
    /is empty: print nothing/,
  ),
  sh('returns a string', 'echo \'"hello"\'', 'scalar', /is a JSON string.*object or an array/),
  sh('returns a number', 'echo 42', 'scalar', /is a JSON number/),
  sh('returns null', 'echo null', 'scalar', /is a JSON null/),
  sh('prints plain text', 'echo hello', 'not_json', /is not JSON/),
  sh('has NaN in its result', 'echo \'{"a": NaN}\'', 'not_json', /NaN and Infinity are not in JSON/),
  sh('prints a Python dict with its single quotes', `echo "{'a': 1}"`, 'not_json', /json\.dumps/),
  sh('prints True for true', 'echo \'{"a": True}\'', 'not_json', /this is Python/),
  sh('has a comma behind the last member', 'echo \'{"a": 1,}\'', 'not_json', /a member name is missing/),
  sh('prints two results on one line', 'echo "{} {}"', 'not_json', /something follows the JSON value/),
  sh('prints Latin-1', 'printf "{\\"a\\": \\"\\351\\"}\\n"', 'not_utf8', /not UTF-8, as Latin-1/),
  sh('prints UTF-16', 'printf "\\377\\376{\\000}\\000"', 'utf16', /UTF-16/),
  sh(
    'prints a byte order mark',
    'printf "\\357\\273\\277{}\\n"',
    'byte_order_mark',
    /begins with a byte order mark/,
  ),
  sh('prints nothing', 'true', 'no_output', /printed nothing/),
  sh('prints its result to standard error', 'echo "{}" >&2', 'only_stderr', /standard error only/),
  sh('calls a program that is not there', 'jqq .', 'command_not_found', /exit status 127: .* not found/),
  sh('calls a file that is not executable', '/etc/passwd', 'command_not_executable', /exit status 126/),
  sh('has an address that is none', 'kill -SEGV $$', 'signal', /ended by SIGSEGV/),
  sh('fails under set -e', 'set -e; ls /nowhere; echo "{}"', 'exit_status', /exit status 2: .*set -e/),
  sh(
    'reads its arguments by read, under set -e',
    'set -e\nread -r args\necho "{}"',
    'exit_status',
    /read fails on standard input.*read -r args \|\| true/,
  ),
  sh(
    'returns more than a result may have',
    'printf \'{"a":"%3000s"}\\n\' x',
    'too_large',
    /3008 bytes, and a result may have 2000/,
  ),
  exec('has no #! line', 'echo "{}"\n', 'unknown_format', /has no #! line/),
  exec('saves with Windows line breaks', '#!/bin/sh\r\necho "{}"\r\n', 'crlf', /CRLF/),
  exec(
    'names an interpreter that the image has not',
    '#!/nowhere/python\n',
    'interpreter_missing',
    /needs the interpreter \/nowhere\/python/,
  ),
  exec('forgets binary', zipOf([ok]).toString('base64'), 'base64_zip', /"binary" must be true/),
  exec('uploads an empty file', '', 'empty', /is empty/),
  {
    what: 'forgets value',
    init: JSON.stringify({ code: '#!/bin/sh\necho "{}"\n' }),
    at: 'warning',
    reason: 'no_value',
    sentence: /has no "value"/,
  },
  { what: 'sends nothing', init: '', at: 'warning', reason: 'empty_body', sentence: /body .* is empty/ },
  {
    what: 'packs no exec',
    init: archiveBody(zipOf([{ name: 'main.py', data: 'x', mode: FILE | 0o644 }])),
    at: 'warning',
    reason: 'no_exec',
    sentence: /the archive has no exec/,
  },
  {
    what: 'packs the folder around the files, on a Mac',
    init: archiveBody(
      zipOf([
        { name: 'mine/', mode: FOLDER | 0o755 },
        { ...ok, name: 'mine/exec' },
        { name: '__MACOSX/mine/._exec', data: 'x', mode: FILE | 0o644 },
      ]),
    ),
    at: 'init',
    sentence: /there is mine\/exec: pack what is in that folder/,
  },
  {
    what: 'uploads something that is no archive',
    init: archiveBody(Buffer.from('no archive')),
    at: 'init',
    sentence: /can't be read/,
  },
];
