import { closeSync, constants, openSync, writeSync } from 'node:fs';

const { O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK, O_WRONLY } = constants;
/** Nothing that the path leads to makes the server wait: a FIFO, a terminal that was stopped (open(2), fifo(7)). */
const FLAGS = O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY;
const MODE = 0o666;
const STDERR = 2;
const STDERR_PATH = '/proc/self/fd/2';

/**
 * Where the records of the server's own log go: each as one write(2), which never waits. A record that can't be taken at
 * once, or at all, is dropped and counted; lines stay whole.
 */
export class LogFile {
  readonly #path: string | undefined;
  readonly #format: (line: string) => string;
  #fd: number;
  /** Of a record that was taken in part. */
  #unwritten: Buffer | undefined;
  #dropped = 0;

  /**
   * @param path undefined: stderr
   * @param format makes the line that is written of one record in JSON
   * @throws Error for the operator if it can't be opened
   */
  constructor(path: string | undefined, format: (line: string) => string = (line) => line) {
    this.#path = path;
    this.#format = format;
    this.#fd = path === undefined ? openStderr() : open(path);
  }

  /** How many records were lost. */
  get dropped(): number {
    return this.#dropped;
  }

  /** As pino calls it. */
  write(line: string): void {
    if (this.#unwritten !== undefined && !this.#writeUnwritten(this.#unwritten)) {
      this.#dropped++;
      return;
    }
    const record = Buffer.from(this.#format(line));
    const written = this.#tryWrite(record);
    if (written === 0) this.#dropped++;
    else if (written < record.length) this.#unwritten = record.subarray(written);
  }

  /**
   * Opens the path anew, after log rotation has renamed the file.
   *
   * @throws Error if it can't be opened; the records go on to where they went
   */
  reopen(): void {
    if (this.#path === undefined) return;
    const before = this.#fd;
    this.#fd = open(this.#path);
    this.#unwritten = undefined;
    closeSync(before);
  }

  #writeUnwritten(rest: Buffer): boolean {
    const written = this.#tryWrite(rest);
    this.#unwritten = written === rest.length ? undefined : rest.subarray(written);
    return this.#unwritten === undefined;
  }

  /** @returns how many bytes were taken */
  #tryWrite(bytes: Buffer): number {
    try {
      return writeSync(this.#fd, bytes);
    } catch {
      // A full pipe or disk, a reader that has gone: the server goes on without the record.
      return 0;
    }
  }
}

function open(path: string): number {
  try {
    return openSync(path, FLAGS | O_CREAT, MODE);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code === 'ENXIO' ? 'it is a FIFO that nobody reads, or a socket' : (code ?? message);
    throw new Error(`the log file ${path} can't be opened: ${reason}`, { cause });
  }
}

/** A description of its own (open(2)), whose mode is nobody else's; the descriptor itself if that is refused. */
function openStderr(): number {
  try {
    return openSync(STDERR_PATH, FLAGS);
  } catch {
    return STDERR;
  }
}
