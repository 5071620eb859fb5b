import { SHARE_ENV, Worker, type WorkerOptions } from 'node:worker_threads';
import { asServerUser, type FileScope } from '../os/file-scope.js';
import { largeBuffersOf } from '../os/transfer.js';
import type { Failure } from '../protocol/errors.js';
import { ArchiveTooLargeError, InitRefusedError } from './archive/errors.js';
import type { ArchiveLimits } from './archive/unpack-budget.js';
import type { InitTimeLimit } from './init-time-limit.js';

/** What a thread is to unpack. */
export interface UnpackTask {
  readonly format: 'zip' | 'tar.gz';
  readonly packed: Uint8Array;
  /** An empty folder. */
  readonly folder: string;
  readonly limits: ArchiveLimits;
}

/** What came of it: the bytes that came out, or why it is refused. */
export type UnpackAnswer = { readonly bytes: number } | { readonly failure: Failure };

/**
 * Up to here a zip is unpacked where its init is: the start of a thread takes longer than that, and each step is
 * bounded by the archive's size. A reader of tar archives has no such bound.
 */
const MAX_INLINE_BYTES = 128 * 1024;
/** 200,000 entries take half of it. Beyond it the thread is ended, not the server. */
const MAX_HEAP_MB = 128;
/** A thread that stands in a system call, as on a network file system that hangs, can't be ended. */
const MAX_TERMINATE_MS = 1000;

const UNPACK_THREAD = new URL('../action/unpack-thread.js', import.meta.url);

/**
 * Unpacks an archive: a small zip here, all else in a thread of its own, which is ended when its time is up, whatever
 * it does at that moment. That thread has no activations and has loaded no native library, so that nothing but the
 * init is lost with it.
 *
 * @param task its bytes are gone afterwards: moved, or written to
 * @param scope works on the files of the action; where that is not the server, it is always a thread of its own
 * @returns the bytes that came out
 * @throws InitRefusedError with the refusal of the archive, or with why the init had to end; what has been written then
 *   is the
 *   caller's to remove
 */
export async function unpack(task: UnpackTask, timeLimit: InitTimeLimit, scope: FileScope): Promise<number> {
  timeLimit.throwIfOver();
  const { format, packed, folder, limits } = task;
  const isApart = format === 'tar.gz' || packed.byteLength > MAX_INLINE_BYTES || scope !== asServerUser;
  if (isApart) return unpackInThread(task, timeLimit, scope);
  const { unpackZip } = await import('./archive/unpack-zip.js');
  const zip = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
  return unpackZip(zip, folder, limits, () => timeLimit.throwIfOver());
}

async function unpackInThread(task: UnpackTask, timeLimit: InitTimeLimit, scope: FileScope): Promise<number> {
  const options: WorkerOptions = {
    workerData: task,
    env: SHARE_ENV,
    transferList: largeBuffersOf(task.packed),
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  };
  // A thread has the rights that the one has which starts it, and keeps them (clone(2)).
  const thread = scope(() => new Worker(UNPACK_THREAD, options));
  try {
    const answer = await answerOf(thread, timeLimit.signal);
    if ('failure' in answer) throw new InitRefusedError(answer.failure);
    return answer.bytes;
  } finally {
    await terminate(thread);
  }
}

function answerOf(thread: Worker, signal: AbortSignal): Promise<UnpackAnswer> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as InitRefusedError);
    signal.addEventListener('abort', onAbort, { once: true });
    thread.once('message', (answer: UnpackAnswer) => resolve(answer));
    thread.once('error', (error: NodeJS.ErrnoException) => {
      const isMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
      reject(
        isMemory ? new ArchiveTooLargeError(`to unpack it takes more memory than ${MAX_HEAP_MB} MB`) : error,
      );
    });
    thread.once('exit', () => {
      signal.removeEventListener('abort', onAbort);
      reject(new Error('the thread that unpacked it ended'));
    });
  });
}

/** Ends the thread; what it has written can be removed then. */
async function terminate(thread: Worker): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, MAX_TERMINATE_MS);
  });
  await Promise.race([thread.terminate(), late]);
  clearTimeout(timer);
}
