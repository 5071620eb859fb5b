import { readFileSync } from 'node:fs';

/** Keys of the auxiliary vector (getauxval(3)). */
export const AT_BASE = 7;
export const AT_ENTRY = 9;
export const AT_SECURE = 23;
export const AT_RANDOM = 25;

/** What the kernel tells a new program about itself (proc(5), `/proc/[pid]/auxv`); 0n for what it does not. */
export function readAuxv(pid: number): (key: number) => bigint {
  const bytes = readFileSync(`/proc/${pid}/auxv`);
  return (key) => {
    for (let at = 0; at + 16 <= bytes.length; at += 16)
      if (bytes.readBigUInt64LE(at) === BigInt(key)) return bytes.readBigUInt64LE(at + 8);
    return 0n;
  };
}
