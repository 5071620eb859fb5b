import type { Config } from '../config/load.js';

/** What the server, its threads and their heaps take without any body (docs/internals/architecture.md). */
const OWN_BYTES = 96 * 1024 * 1024;
/**
 * A body or result may for a moment be there twice: while it grows, is moved into place or is rewritten as a line;
 * and the action needs memory, too.
 */
const COPIES = 2;
/** So much is allowed however small the container is. */
const MIN_BUFFERED_BYTES = 8 * 1024 * 1024;
const MAX_DEFAULT_BODY_BYTES = 128 * 1024 * 1024;

/** How many bytes of bodies and results the server holds at most. */
interface BufferLimits {
  /** Of all together. */
  readonly bufferedBytes: number;
  /** Of one request body. */
  readonly bodyBytes: number;
}

/**
 * The limits that are set, and for those that are not what the memory allows: half of what the server itself does
 * not need for all buffers together, for a body the same but 128 MiB at most.
 *
 * @param memoryBytes what the container may use
 */
export function bufferLimits(
  set: Pick<Config, 'maxBufferedBytes' | 'maxBodyBytes'>,
  memoryBytes: number,
): BufferLimits {
  const derived = Math.max(MIN_BUFFERED_BYTES, Math.floor((memoryBytes - OWN_BYTES) / COPIES));
  const bufferedBytes = set.maxBufferedBytes ?? derived;
  const bodyBytes = Math.min(set.maxBodyBytes ?? MAX_DEFAULT_BODY_BYTES, bufferedBytes);
  return { bufferedBytes, bodyBytes };
}
