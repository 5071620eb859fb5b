import { MSG_DONTWAIT, recv, SHUT_RD, shutdown } from '../../native-code/libc-calls.js';
import { parentOf } from './reaper.js';
import { REPLY_BYTES, readReply } from './request-block.js';

const bytes = Buffer.alloc(REPLY_BYTES);

/**
 * The clones that had told a thread that they begin, which died before it read that: nobody else knows of them. One that
 * tells it later can't, and ends (stub/stub.c).
 *
 * @param fd the thread's end of a socket to a template or to a prewarmed clone; any other descriptor has none
 * @returns their pids
 */
export function unreadReplies(fd: number): number[] {
  if (shutdown(fd, SHUT_RD) !== 0) return [];
  const pids: number[] = [];
  // What was sent before is still there to be read (unix(7)).
  while (recv(fd, bytes, REPLY_BYTES, MSG_DONTWAIT) === REPLY_BYTES) {
    const { pid, error } = readReply(bytes);
    // One that has ended and been reaped may have left its number to somebody else.
    if (error === 0 && parentOf(pid) === process.pid) pids.push(pid);
  }
  return pids;
}
