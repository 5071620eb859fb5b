/** Smaller ones are copied, which costs less than to move them. */
export const MIN_TRANSFERRED_BYTES = 64 * 1024;

/** The buffers under those parts that are large enough to be moved to another thread. */
export function largeBuffersOf(...parts: readonly (Uint8Array | undefined)[]): ArrayBuffer[] {
  return parts.flatMap((part) =>
    part !== undefined && part.byteLength >= MIN_TRANSFERRED_BYTES ? [part.buffer as ArrayBuffer] : [],
  );
}

/**
 * An answer of this thread whose large buffers are moved to the main thread, not copied: they are gone here.
 *
 * @param parts buffers in the answer, each of its own
 */
export function withTransfer<Answer extends object>(
  answer: Answer,
  ...parts: readonly (Uint8Array | undefined)[]
): Answer | Promise<object> {
  const buffers = largeBuffersOf(...parts);
  return buffers.length === 0 ? answer : transferred(answer, buffers);
}

/** Imported only where it is needed: the thread's own side of the pool goes without. */
async function transferred(answer: object, buffers: readonly ArrayBuffer[]): Promise<object> {
  const { move, transferableSymbol, valueSymbol } = await import('piscina');
  return move({
    get [transferableSymbol]() {
      return buffers;
    },
    get [valueSymbol]() {
      return answer;
    },
  } as never) as object;
}
