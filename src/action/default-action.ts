import { chownSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setMode } from '../os/file-mode.js';
import type { FileScope } from '../os/file-scope.js';
import type { ActionUser } from '../os/rights.js';
import { MESSAGE_DEFAULT_ACTION } from '../protocol/texts.js';
import { recoverInterruptedInit } from './recover.js';

/** The action that is there before any init (C-SRV-02). */
const DEFAULT_ACTION = `#!/bin/sh
# Stands in for an action until one is initialised.
echo "An action of this runtime is any executable named 'exec': a script or a binary."
echo "It gets its arguments as one JSON object, on the command line and on standard input."
echo "What it prints is its log, but the last line of its standard output: that is its"
echo "result, a JSON object or array on one line."
echo "command line argument: \${1-}"
printf 'command line argument length: %d\\n' "$(printf %s "\${1-}" | wc -c)"
printf 'stdin input length: %d\\n' "$(wc -c)"
echo '${JSON.stringify({ error: MESSAGE_DEFAULT_ACTION })}'
`;

/**
 * Makes the action folder ready for its first run: clears away what an init that was
 * killed has left, and puts the default action in where there is no \`exec\`. An \`exec\` that is there is left alone
 * (C-SRV-02).
 *
 * @param scope works on the files of the action
 */
export function ensureDefaultAction(actionRoot: string, scope: FileScope): void {
  const exec = join(actionRoot, 'exec');
  scope(() => {
    recoverInterruptedInit(actionRoot);
    if (lstatSync(exec, { throwIfNoEntry: false }) !== undefined) return;
    writeFileSync(exec, DEFAULT_ACTION, { flag: 'wx', mode: 0o755 });
    setMode(exec, 0o755);
  });
}

/**
 * Creates the action folder where it is missing, and gives it to the actions' user; what lies in it stays whose it is.
 *
 * @param user undefined: the server's own
 */
export function ensureActionRoot(actionRoot: string, user: ActionUser | undefined): void {
  mkdirSync(actionRoot, { recursive: true });
  if (user !== undefined) chownSync(actionRoot, user.uid, user.gid);
}

/** Whether the file is the default action, and so no action of anybody's. */
export function isDefaultAction(exec: string): boolean {
  const stats = lstatSync(exec, { throwIfNoEntry: false });
  if (stats?.isFile() !== true || stats.size !== Buffer.byteLength(DEFAULT_ACTION)) return false;
  try {
    return readFileSync(exec, 'utf8') === DEFAULT_ACTION;
  } catch {
    return false;
  }
}
