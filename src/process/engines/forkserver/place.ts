import { statx } from './native.js';

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
const OF_FILE = [
  [20, 48],
  [96, 128],
  [136, 152],
] as const;
/** Of a folder only which one it is, and who may what: what is in it has paths of its own. */
const OF_FOLDER = [
  [20, 40],
  [136, 152],
] as const;

const result = Buffer.alloc(RESULT_BYTES);

/** What is known of a place, for another thread. */
export interface PlaceFacts {
  readonly path: string;
  /** Whether it is the link itself, not what that leads to. */
  readonly link: boolean;
  /** A struct statx; absent where there was nothing. */
  readonly before?: Uint8Array;
}

/** What a path led to: a file, a folder, a link that is looked at for itself, or nothing. Any change of it shows. */
export class Place {
  readonly path: string;
  readonly #flags: number;
  readonly #path: Buffer;
  readonly #before: Buffer | undefined;
  readonly #parts: readonly (readonly [from: number, to: number])[];

  /**
   * @param path absolute
   * @param link whether the link at the path is meant, not what it leads to
   * @param known what was there before; undefined: what is there now
   */
  constructor(path: string, link = false, known?: PlaceFacts) {
    this.path = path;
    this.#path = Buffer.from(`${path}\0`);
    this.#flags = link ? AT_SYMLINK_NOFOLLOW : 0;
    if (known !== undefined) this.#before = known.before && Buffer.from(known.before);
    else this.#before = stat(this.#path, this.#flags) ? Buffer.from(result) : undefined;
    this.#parts = (this.mode & FILE_TYPE) === FOLDER ? OF_FOLDER : OF_FILE;
  }

  /** As another thread has found it. */
  static of(facts: PlaceFacts): Place {
    return new Place(facts.path, facts.link, facts);
  }

  get facts(): PlaceFacts {
    const link = this.#flags !== 0;
    return {
      path: this.path,
      link,
      ...(this.#before !== undefined && { before: Uint8Array.from(this.#before) }),
    };
  }

  get exists(): boolean {
    return this.#before !== undefined;
  }

  /** Type and permissions (inode(7)); 0 where there was nothing. */
  get mode(): number {
    return this.#before?.readUInt16LE(MODE_AT) ?? 0;
  }

  /** Whether it leads to the same, and that is as it was. Takes a microsecond or two. */
  unchanged(): boolean {
    const before = this.#before;
    const found = stat(this.#path, this.#flags);
    if (before === undefined || !found) return before === undefined && !found;
    return this.#parts.every(([from, to]) => before.compare(result, from, to, from, to) === 0);
  }

  /** Whether the other path leads to the very same file. */
  isAlso(path: string): boolean {
    const before = this.#before;
    if (before === undefined || !stat(Buffer.from(`${path}\0`), 0)) return false;
    return [INODE_AT, DEVICE_AT].every((at) => before.compare(result, at, at + 8, at, at + 8) === 0);
  }
}

function stat(path: Buffer, flags: number): boolean {
  return statx(AT_FDCWD, path, flags, WANTED_STATS, result) === 0;
}
