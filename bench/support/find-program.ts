import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The absolute path of a program: in the preferred folders, else on PATH; undefined when it is in none. */
export function findProgram(name: string, preferred: readonly string[] = []): string | undefined {
  const folders = [...preferred, ...(process.env.PATH ?? '').split(delimiter).filter((one) => one !== '')];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** Whether the file is there and may be run. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
