import { MessageChannel } from 'node:worker_threads';

/** A smaller buffer is left to the collector. */
const MIN_FREED_BYTES = 1024 * 1024;
/** Buffers of this much in total are worth a collection of their own. */
const MIN_COLLECTED_BYTES = 8 * 1024 * 1024;
const IDLE_MS = 100;

let garbageBytes = 0;
let timer: NodeJS.Timeout | undefined;
let collect: (() => void) | undefined;

/**
 * Requests a garbage collection once the thread is idle. An idle process allocates nothing, so V8 would not collect a
 * finished 64 MB upload for hours.
 */
export function scheduleIdleGc(bytes: number): void {
  garbageBytes += bytes;
  if (garbageBytes < MIN_COLLECTED_BYTES) return;
  clearTimeout(timer);
  timer = setTimeout(collectGarbage, IDLE_MS);
  timer.unref();
}

function collectGarbage(): void {
  garbageBytes = 0;
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
export function freeBuffer({ buffer }: Uint8Array): void {
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < MIN_FREED_BYTES) return;
  const { port1, port2 } = new MessageChannel();
  // What a port has not taken is freed when it is closed.
  port1.postMessage(undefined, [buffer]);
  port2.close();
}
