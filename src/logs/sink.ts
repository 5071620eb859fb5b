import { fstatSync, writeSync } from 'node:fs';

/** Where log bytes finally go. */
export interface Sink {
  /**
   * Writes as much as can be taken without waiting.
   * @returns how many bytes were written; 0 when the sink has no room now
   * @throws an error with a `code` when the bytes can't be written at all
   */
  tryWrite(bytes: Uint8Array): number;
  /** Calls back once, when there may be room again. */
  whenWritable(callback: () => void): void;
}

/** What a descriptor is, as far as writing to it goes. */
export function isRegularFile(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    // Devices such as /dev/null take everything, terminals do not.
    return stats.isFile();
  } catch {
    return true;
  }
}

/** Whether two descriptors lead to the same pipe, terminal or file, as after `2>&1`. */
export function leadToOneFile(one: number, other: number): boolean {
  try {
    const [a, b] = [fstatSync(one), fstatSync(other)];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}

const RETRY_MS = 5;

/** A sink by Node's own calls: a slow reader holds this thread, where nothing better can be had (D-19). */
export class PlainSink implements Sink {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  tryWrite(bytes: Uint8Array): number {
    try {
      return writeSync(this.#fd, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
      throw error;
    }
  }

  whenWritable(callback: () => void): void {
    setTimeout(callback, RETRY_MS);
  }
}
