import { fileURLToPath } from 'node:url';

/** A file of the repository, by its path from the root. */
export function file(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url));
}
