import { readFileSync } from 'node:fs';

/** The text of a file of /proc or /sys; undefined if it can't be read. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
