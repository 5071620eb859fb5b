import { MessageChannel } from 'node:worker_threads';

/** A smaller buffer is left to the collector. */
const MIN_FREED_BYTES = 1024 * 1024;
/** Buffers of this much in total are worth a collection of their own. */
const WORTH_BYTES = 8 * 1024 * 1024;
const QUIET_MS = 100;

let passedBytes = 0;
let timer: NodeJS.Timeout | undefined;
let collect: (() => void) | undefined;

/**
 * Says that large buffers have passed through this thread and are garbage now. Once the thread has been
 * quiet for a moment they are collected: a server that then has nothing to do would keep an upload's 64 MB
 * for hours, for nothing asks for memory.
 */
export function buffersPassed(bytes: number): void {
  passedBytes += bytes;
  if (passedBytes < WORTH_BYTES) return;
  clearTimeout(timer);
  timer = setTimeout(relieve, QUIET_MS);
  timer.unref();
}

function relieve(): void {
  passedBytes = 0;
  if (collect !== undefined) {
    collect();
    return;
  }
  // Imported only where it is needed: a cold start goes without these two.
  Promise.all([import('node:v8'), import('node:vm')]).then(
    ([{ setFlagsFromString }, { runInNewContext }]) => {
      // The collector is there in every Node; only its name has to be exposed.
      setFlagsFromString('--expose-gc');
      collect = runInNewContext('gc') as () => void;
      collect();
    },
    () => {
      // Without it the memory comes back later.
    },
  );
}

/**
 * Gives the memory of a large buffer back at once: the collector may come long after the next one has been allocated.
 * Every view of it is empty then; nobody but JavaScript may have a pointer into it, as a write that libuv has begun has.
 */
export function free({ buffer }: Uint8Array): void {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < MIN_FREED_BYTES) return;
  const { port1, port2 } = new MessageChannel();
  // What a port has not taken is freed when it is closed.
  port1.postMessage(undefined, [buffer]);
  port2.close();
}
