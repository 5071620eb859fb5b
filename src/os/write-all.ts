import { writeSync } from 'node:fs';

/** Writes all of the bytes: write(2) may take less at a time. */
export function writeAll(descriptor: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(descriptor, bytes, written);
}
