import { UnsupportedError } from '../../errors.js';
import type { Arch } from '../arch/arch.js';
import { mappingsOf } from './checks.js';
import type { Tracee } from './tracee.js';

const PROT_READ = 1n;
const PROT_READ_EXECUTE = 5n;
/** prctl(2): what becomes of a program that reads the time stamp counter. */
const PR_SET_TSC = 26n;
const PR_TSC_ENABLE = 1n;
const PR_TSC_SIGSEGV = 2n;

/**
 * Has a program end with SIGSEGV when it reads a clock without a system call: by the vDSO (vdso(7)), or, on x86-64, by
 * RDTSC. What it reads before it is cloned would be the same in all clones.
 *
 * @returns what puts everything back
 * @throws UnsupportedError where that can't be had
 */
export function disableClocks(tracee: Tracee, arch: Arch): () => void {
  const vdso = mappingsOf(tracee.pid).find(({ path }) => path === '[vdso]');
  const { mprotect, prctl } = arch.calls;
  const set = (access: bigint, counter: bigint): void => {
    const bytes = vdso === undefined ? 0n : vdso.end - vdso.begin;
    if (vdso !== undefined && tracee.injectSyscall(mprotect, [vdso.begin, bytes, access]) !== 0n)
      throw new UnsupportedError('its vDSO can’t be withheld');
    if (arch.hasTimeStampCounter && tracee.injectSyscall(prctl, [PR_SET_TSC, counter]) !== 0n)
      throw new UnsupportedError('the time stamp counter can’t be withheld');
  };
  set(PROT_READ, PR_TSC_SIGSEGV);
  return () => set(PROT_READ_EXECUTE, PR_TSC_ENABLE);
}
