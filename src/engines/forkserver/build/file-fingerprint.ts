import { statx } from '../../native-code/libc-calls.js';

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
/** STATX_BASIC_STATS and STATX_MNT_ID; the latter is 0 before Linux 5.8. */
const WANTED_STATS = 0x17ff;
const RESULT_BYTES = 256;
const MODE_AT = 28;
const INODE_AT = 32;
const DEVICE_AT = 136;
const FILE_TYPE = 0o170000;
const FOLDER = 0o040000;
/** Parts of struct statx: owner, mode, inode, size; ctime and mtime; device and mount. */
const COMPARED_OF_FILE = [
  [20, 48],
  [96, 128],
  [136, 152],
] as const;
/** Of a folder only which one it is, and who may what: what is in it has paths of its own. */
const COMPARED_OF_FOLDER = [
  [20, 40],
  [136, 152],
] as const;

const result = Buffer.alloc(RESULT_BYTES);

/** What is known of a place, for another thread. */
export interface FileFingerprintSnapshot {
  readonly path: string;
  /** Whether it is the link itself, not what that leads to. */
  readonly isLink: boolean;
  /** A struct statx; absent where there was nothing. */
  readonly stat?: Uint8Array;
}

/** A statx(2) snapshot of what a path led to: a file, a folder, the link itself, or nothing. Any change shows. */
export class FileFingerprint {
  readonly path: string;
  readonly #flags: number;
  readonly #path: Buffer;
  readonly #stat: Buffer | undefined;
  readonly #parts: readonly (readonly [from: number, to: number])[];

  /**
   * @param path absolute
   * @param isLink whether the link at the path is meant, not what it leads to
   * @param known what was there before; undefined: what is there now
   */
  constructor(path: string, isLink = false, known?: FileFingerprintSnapshot) {
    this.path = path;
    this.#path = Buffer.from(`${path}\0`);
    this.#flags = isLink ? AT_SYMLINK_NOFOLLOW : 0;
    if (known !== undefined) this.#stat = known.stat && Buffer.from(known.stat);
    else this.#stat = stat(this.#path, this.#flags) ? Buffer.from(result) : undefined;
    this.#parts = (this.mode & FILE_TYPE) === FOLDER ? COMPARED_OF_FOLDER : COMPARED_OF_FILE;
  }

  /** As another thread has found it. */
  static fromSnapshot(facts: FileFingerprintSnapshot): FileFingerprint {
    return new FileFingerprint(facts.path, facts.isLink, facts);
  }

  get snapshot(): FileFingerprintSnapshot {
    const isLink = this.#flags !== 0;
    return {
      path: this.path,
      isLink,
      ...(this.#stat !== undefined && { stat: Uint8Array.from(this.#stat) }),
    };
  }

  get exists(): boolean {
    return this.#stat !== undefined;
  }

  /** Type and permissions (inode(7)); 0 where there was nothing. */
  get mode(): number {
    return this.#stat?.readUInt16LE(MODE_AT) ?? 0;
  }

  /** Whether the path leads to the same file, unchanged. Takes a microsecond or two. */
  isUnchanged(): boolean {
    const before = this.#stat;
    const found = stat(this.#path, this.#flags);
    if (before === undefined || !found) return before === undefined && !found;
    return this.#parts.every(([from, to]) => before.compare(result, from, to, from, to) === 0);
  }

  /** Whether the other path leads to the very same file. */
  isAlso(path: string): boolean {
    const before = this.#stat;
    if (before === undefined || !stat(Buffer.from(`${path}\0`), 0)) return false;
    return [INODE_AT, DEVICE_AT].every((at) => before.compare(result, at, at + 8, at, at + 8) === 0);
  }
}

function stat(path: Buffer, flags: number): boolean {
  return statx(AT_FDCWD, path, flags, WANTED_STATS, result) === 0;
}
