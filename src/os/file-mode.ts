import { chmodSync, fchmodSync, type PathLike } from 'node:fs';

/** What file systems without modes of their own say (chmod(2)): FAT, shares of other systems, FUSE, ID-mapped mounts. */
const REFUSALS = new Set(['EPERM', 'ENOTSUP', 'ENOSYS', 'EINVAL']);

/**
 * Sets the permissions of a file, where its file system lets that be done: elsewhere it has those that its mount gives
 * it, and whether they do is for others to judge.
 *
 * @param file a path, or a descriptor
 */
export function setMode(file: PathLike | number, mode: number): void {
  try {
    if (typeof file === 'number') fchmodSync(file, mode);
    else chmodSync(file, mode);
  } catch (error) {
    if (!REFUSALS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
