import { readlinkSync } from 'node:fs';

let folder: string | undefined;

/** The folder of the calling thread in /proc, under a name that other threads can use too (proc(5)). */
export function threadProcPath(): string {
  folder ??= `/proc/${readlinkSync('/proc/thread-self')}`;
  return folder;
}
