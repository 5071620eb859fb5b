import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { messageOf } from '../protocol/message-of.js';
import type { ActionUser } from './rights.js';

/** Does some work on files; synchronous, and on the calling thread. */
export type FileScope = <Result>(work: () => Result) => Result;

/** Works on files as the server itself. */
export const asServerUser: FileScope = (work) => work();

/** Removes a folder with all that is in it. Other rights are the thread's for a moment only, so that it waits then. */
export async function removeTree(folder: string, scope: FileScope): Promise<void> {
  const options = { recursive: true, force: true };
  if (scope === asServerUser) await rm(folder, options);
  else scope(() => rmSync(folder, options));
}

const NR_SETGROUPS = process.arch === 'x64' ? 116 : 159;
/** No id at all: the answer is the present one (setfsuid(2)). */
const ASK = -1;

/**
 * Works on files with the rights of the actions' user, whose folders these are: links that an action plants lead the
 * server nowhere then where the action could not go itself, and what is written belongs to that user.
 *
 * On Linux these are each thread's own: file system user and group (setfsuid(2)), and supplementary groups by the bare
 * system call. Signals and ptrace(2) go by the other ids, which stay. Nothing else can happen on the thread meanwhile.
 *
 * @throws Error where the C library can't be called
 */
export async function fileScopeOf(user: ActionUser | undefined): Promise<FileScope> {
  if (user === undefined) return asServerUser;
  const { setfsgid, setfsuid, setThreadGroups } = await import('./libc.js').catch((cause: unknown) => {
    const reason = messageOf(cause);
    throw new Error(`actions can't be another user where the C library can't be called: ${reason}`, {
      cause,
    });
  });
  const { uid, gid, groups } = user;
  const own = { uid: setfsuid(ASK), gid: setfsgid(ASK), groups: process.getgroups?.() ?? [] };
  let depth = 0;
  const change = (to: { uid: number; gid: number; groups: readonly number[] }): void => {
    setThreadGroups(NR_SETGROUPS, to.groups.length, Uint32Array.from(to.groups));
    setfsgid(to.gid);
    setfsuid(to.uid);
    if (setfsuid(ASK) !== to.uid || setfsgid(ASK) !== to.gid)
      throw new Error(`the rights of user ${to.uid} can't be taken for files`);
  };
  return (work) => {
    if (depth > 0) return work();
    depth++;
    try {
      change({ uid, gid, groups });
      return work();
    } finally {
      change(own);
      depth--;
    }
  };
}
