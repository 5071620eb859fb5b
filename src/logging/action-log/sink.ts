import { constants, fstatSync, openSync, writeSync } from 'node:fs';

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

/** A descriptor that logs are written to. */
export interface SinkTarget {
  readonly fd: number;
  /**
   * `file` never waits for a reader. `private` is an open file description of our own with O_NONBLOCK (open(2)).
   * `shared` has to be left in its mode: whoever started the server has it too.
   */
  readonly mode: 'file' | 'private' | 'shared';
}

/**
 * The way to write to a descriptor's pipe, terminal or file without ever waiting for its reader.
 *
 * A pipe or terminal is opened a second time: O_NONBLOCK on the descriptor itself would change it for every process
 * that has it (fcntl(2)). A socket can't be opened so, nor a pipe of another user.
 */
export function sinkTargetOf(fd: number): SinkTarget {
  try {
    if (fstatSync(fd).isFile()) return { fd, mode: 'file' };
    const again = openAgain(fd);
    return again === undefined ? { fd, mode: 'shared' } : { fd: again, mode: 'private' };
  } catch {
    return { fd, mode: 'shared' };
  }
}

/**
 * Opens the pipe or terminal behind a descriptor a second time, with O_NONBLOCK and close-on-exec.
 *
 * @returns undefined for anything else
 * @throws Error with a `code`: `ENXIO` where nobody reads the pipe (fifo(7)), `EACCES` for a pipe of another user
 */
export function openAgain(fd: number): number | undefined {
  const stats = fstatSync(fd);
  if (!stats.isFIFO() && !stats.isCharacterDevice()) return undefined;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
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

/** A sink by Node's own calls. With a `shared` target a reader that stands still holds this thread. */
class PlainSink implements Sink {
  readonly #fd: number;

  constructor({ fd }: SinkTarget) {
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

/**
 * Makes sinks by Node's own calls, and for a `shared` target one that asks the C library, where that can be loaded.
 */
export async function plainSinks(targets: readonly SinkTarget[]): Promise<(target: SinkTarget) => Sink> {
  if (targets.every(({ mode }) => mode !== 'shared')) return (target) => new PlainSink(target);
  try {
    const { NativeSink } = await import('./native-sink.js');
    return (target) => (target.mode === 'shared' ? new NativeSink(target) : new PlainSink(target));
  } catch {
    return (target) => new PlainSink(target);
  }
}
