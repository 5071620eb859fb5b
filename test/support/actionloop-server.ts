import type { Answer, ServerOptions } from './run-server.js';
import { RunServer } from './run-server.js';

/** A loop in the shell's own words: an ActionLoop process has no PATH to find others by (C-AL-07). */
export function actionLoopScript(each: string, before = ''): string {
  return `#!/bin/sh\n${before}\nwhile read -r line; do\n${each}\ndone\n`;
}

/** Answers each line with itself. */
export const ECHO = actionLoopScript('printf "%s\\n" "$line" >&3');

/** An init with the text of one file. */
export function actionLoopInit(code: string | Buffer, more: Record<string, unknown> = {}): string {
  const value =
    typeof code === 'string' ? { code, ...more } : { code: code.toString('base64'), binary: true, ...more };
  return JSON.stringify({ value });
}

/** A server of the ActionLoop protocol. */
export function startActionLoopServer(options: ServerOptions): Promise<RunServer> {
  return RunServer.start({ ...options, flags: ['--protocol', 'actionloop', ...(options.flags ?? [])] });
}

/** The error text of an answer. */
export function errorOf(answer: Answer): string {
  return (JSON.parse(answer.body.toString()) as { error: string }).error;
}
