import { messageOf } from '../protocol/message-of.js';

const PR_SET_DUMPABLE = 4;
const NOT_DUMPABLE = 0;

/**
 * Denies other processes of the same user to read this process: its memory, its environment, its descriptors
 * (PR_SET_DUMPABLE, prctl(2); ptrace(2), "Ptrace access mode checking"). The actions of a server run as its user unless
 * `HYPERSKELETON_ACTION_USER` says otherwise, and earlier activations have left their API keys in its memory.
 *
 * It holds for all threads. A process that is executed is dumpable again. From here on the files of `/proc/self` belong
 * to root: those that only their owner may read, as `environ`, can't be opened by a server of another user.
 *
 * @returns why it could not be done; empty when it was
 */
export async function makeUndumpable(): Promise<string> {
  try {
    const { prctl } = await import('./libc.js');
    return prctl(PR_SET_DUMPABLE, NOT_DUMPABLE) === 0 ? '' : 'prctl(2) refuses PR_SET_DUMPABLE';
  } catch (error) {
    return `the C library can't be called: ${messageOf(error)}`;
  }
}
