import { delimiter, join } from 'node:path';
import { isExecutable } from '../../src/os/executable.js';

/** The absolute path of a program: in the preferred folders, else on PATH; undefined when it is in none. */
export function findProgram(name: string, preferred: readonly string[] = []): string | undefined {
  const folders = [...preferred, ...(process.env.PATH ?? '').split(delimiter).filter((one) => one !== '')];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}
