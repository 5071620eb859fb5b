import { UnsupportedError } from '../../errors.js';
import { STUB_CODE } from '../../native-code/stub-code.js';
import type { Arch } from '../arch/arch.js';
import { CODE_BYTES, STUB_BYTES } from './stub-configuration.js';
import type { Tracee } from './tracee.js';

const PROT_READ_WRITE = 3n;
const PROT_READ_EXECUTE = 5n;
const MAP_PRIVATE_ANONYMOUS = 0x22n;
const NONE = BigInt.asUintN(64, -1n);

/**
 * Has the process map two pages for the loop, still writable.
 *
 * @returns their address
 */
export function mapStub(tracee: Tracee, arch: Arch): bigint {
  const base = tracee.injectSyscall(arch.calls.mmap, [
    0n,
    BigInt(STUB_BYTES),
    PROT_READ_WRITE,
    MAP_PRIVATE_ANONYMOUS,
    NONE,
    0n,
  ]);
  if (base < 0n) throw new UnsupportedError(`mmap failed in it (${base})`);
  return base;
}

/**
 * Writes the loop and its configuration there, and has the process go on in the loop once it is let go.
 *
 * @param registers of the process, where it was stopped
 */
export function startStub(
  tracee: Tracee,
  arch: Arch,
  base: bigint,
  registers: BigUint64Array,
  configuration: Buffer,
): void {
  const { stub } = STUB_CODE[process.arch as 'x64' | 'arm64'];
  tracee.write(base, Buffer.from(stub, 'base64'));
  tracee.write(base + BigInt(CODE_BYTES), configuration);
  const refused = tracee.injectSyscall(arch.calls.mprotect, [base, BigInt(CODE_BYTES), PROT_READ_EXECUTE]);
  if (refused !== 0n) throw new UnsupportedError(`mprotect failed in it (${refused})`);
  const next = BigUint64Array.from(registers);
  next[arch.programCounter] = base;
  if (arch.interruptedCall !== undefined) next[arch.interruptedCall] = NONE;
  tracee.setRegisters(next);
}
