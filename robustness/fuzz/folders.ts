import { existsSync, lstatSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** What the corpus and the mutations try to write outside of the action folder. */
const ESCAPE_NAME = 'hyperskeleton-fuzz-escaped';
const ESCAPES = [`/tmp/${ESCAPE_NAME}`, `/${ESCAPE_NAME}`] as const;
const LINK_TARGET = '/etc/passwd';

/** Everything in a folder, a line each: path, type and mode, size or target. Times are left out. */
export function listOf(folder: string): string {
  const paths = readdirSync(folder, { recursive: true, encoding: 'latin1' }).sort();
  return paths.flatMap((path) => lineOf(folder, path)).join('\n');
}

function lineOf(folder: string, path: string): string[] {
  // Names need not be UTF-8.
  const whole = Buffer.from(join(folder, path), 'latin1');
  try {
    const stat = lstatSync(whole);
    const what = stat.isSymbolicLink() ? readlinkSync(whole) : stat.isFile() ? stat.size : '';
    return [`${path} ${stat.mode.toString(8)} ${what}`];
  } catch {
    // It was removed after the folder was read.
    return [];
  }
}

/** Staging folders and files of inits that are over (the server's own names in the action folder). */
export function stagingIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.startsWith('.hyperskeleton-'));
}

/** Notices what appears outside of an action folder. */
export class OutsideWatch {
  readonly #folder: string;
  #names: string;
  readonly #links: number;

  /** @param folder the one that holds the action folder */
  constructor(folder: string) {
    this.#folder = folder;
    for (const path of ESCAPES) rmSync(path, { force: true });
    this.#names = this.#list();
    this.#links = lstatSync(LINK_TARGET).nlink;
  }

  /** What has appeared since the last call, in words. */
  changes(): string[] {
    const found: string[] = ESCAPES.filter((path) => existsSync(path));
    for (const path of found) rmSync(path, { force: true });
    const names = this.#list();
    if (names !== this.#names) found.push(`beside the action folder: ${this.#names} became ${names}`);
    this.#names = names;
    if (lstatSync(LINK_TARGET).nlink !== this.#links) found.push(`a hard link of ${LINK_TARGET}`);
    return found;
  }

  #list(): string {
    return readdirSync(this.#folder).sort().join(' ');
  }
}
