import { ArchiveTooLargeError } from './errors.js';

/** What an archive may hold (C-INIT-12). */
export interface ArchiveLimits {
  readonly maxUnzippedBytes: number;
  /** Files and folders. */
  readonly maxEntries: number;
  /** How many times its own size an archive may inflate to; 0: any. */
  readonly maxUnzipRatio: number;
}

/** Less than this is no bomb, whatever the ratio: a file of zeros, a table of equal lines, an empty database. */
const MIN_RATIO_BYTES = 64 * 1024 * 1024;

/** Counts what really comes out of an archive, headers and padding included, against its limits (C-INIT-12). */
export class UnpackBudget {
  readonly #limits: ArchiveLimits;
  readonly #packedBytes: number;
  #bytes = 0;

  /** @param packedBytes of the whole archive */
  constructor(limits: ArchiveLimits, packedBytes: number) {
    this.#limits = limits;
    this.#packedBytes = packedBytes;
  }

  /** What has come out so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Counts bytes that have come out.
   *
   * @param name of the entry that they are of, as it is shown; undefined where nobody knows
   * @throws ArchiveTooLargeError
   */
  add(bytes: number, name?: string): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#limits.maxUnzippedBytes) {
      const where = name === undefined ? '' : `, at the entry ${name}`;
      throw new ArchiveTooLargeError(
        `it inflates beyond ${this.#limits.maxUnzippedBytes} bytes${where} (HYPERSKELETON_MAX_UNZIPPED_BYTES allows more)`,
      );
    }
    this.checkRatio(this.#bytes, this.#packedBytes, name === undefined ? 'it' : `it, at the entry ${name},`);
  }

  /**
   * Refuses what has grown too many times: deflate reaches 1032:1 on nothing but repetition, programs and data stay
   * far below.
   *
   * @throws ArchiveTooLargeError
   */
  checkRatio(bytes: number, packedBytes: number, what: string): void {
    const { maxUnzipRatio } = this.#limits;
    if (maxUnzipRatio === 0 || bytes <= MIN_RATIO_BYTES || bytes <= packedBytes * maxUnzipRatio) return;
    throw new ArchiveTooLargeError(
      `${what} inflates to more than ${maxUnzipRatio} times its packed size (HYPERSKELETON_MAX_UNZIP_RATIO allows more)`,
    );
  }
}
