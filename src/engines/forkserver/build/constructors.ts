import { DT_INIT, DT_INIT_ARRAY, DT_INIT_ARRAY_BYTES, type Elf, readElf } from './elf.js';
import type { Tracee } from './tracee.js';

/**
 * Whether the code at an address is one of the two functions that the compiler puts into every library, and that do
 * nothing; else whether it is a constructor.
 *
 * @param base where the library begins in memory
 */
export function isEmptyConstructor(
  tracee: Tracee,
  path: string,
  base: bigint,
  address: bigint,
): 'empty' | 'constructor' | 'other' {
  const { dynamic } = readElf(path);
  const init = dynamic.get(DT_INIT);
  if (init !== undefined && address === base + init)
    return isEmptyInit(tracee, address) ? 'empty' : 'constructor';
  if (!initArray(tracee, dynamic, base).includes(address)) return 'other';
  return isFrameDummy(tracee, address) ? 'empty' : 'constructor';
}

function initArray(tracee: Tracee, dynamic: Elf['dynamic'], base: bigint): bigint[] {
  const count = Number(dynamic.get(DT_INIT_ARRAY_BYTES) ?? 0n) / 8;
  const array = base + (dynamic.get(DT_INIT_ARRAY) ?? 0n);
  return Array.from({ length: count }, (_, index) => tracee.readWord(array + BigInt(8 * index)));
}

/** endbr64, where the compiler puts it. */
const LANDING = 'f30f1efa';
const LANDING_BYTES = 4;
/** `_init` of crti.o: calls __gmon_start__, where something defines it. */
const EMPTY_INIT = '4883ec08 488b05........ 4885c0 7402 ffd0 4883c408 c3'.replace(/ /g, '');
const EMPTY_INIT_BYTES = LANDING_BYTES + EMPTY_INIT.length / 2;
/** Where in it the address is that it calls, when there is one. */
const CALLED_AT = 4;
/** A jump: what frame_dummy of crtbegin.o consists of. */
const JUMP = 'e9........';
const JUMP_BYTES = LANDING_BYTES + JUMP.length / 2;
/** register_tm_clones of crtbegin.o, where it leads: does nothing without a library for transactional memory. */
const REGISTER_CLONES =
  '488d3d........ 488d35........ 4829fe 4889f0 48c1ee3f 48c1f803 4801c6 48d1fe 7414 488b05........ 4885c0 7408 ffe0'.replace(
    / /g,
    '',
  );

/** Where in that the address is that it jumps to, when there is one. */
const REGISTERED_AT = 36;
const LOAD_BYTES = 7;

function isEmptyInit(tracee: Tracee, address: bigint): boolean {
  const code = tracee.read(address, EMPTY_INIT_BYTES);
  return matches(code, EMPTY_INIT) && isNull(tracee, code, address, landingOf(code) + CALLED_AT);
}

function isFrameDummy(tracee: Tracee, address: bigint): boolean {
  const code = tracee.read(address, JUMP_BYTES);
  if (!matches(code, JUMP)) return false;
  const landing = landingOf(code);
  const target = address + BigInt(landing + 5 + code.readInt32LE(landing + 1));
  const registers = tracee.read(target, LANDING_BYTES + REGISTER_CLONES.length / 2);
  return (
    matches(registers, REGISTER_CLONES) &&
    isNull(tracee, registers, target, landingOf(registers) + REGISTERED_AT)
  );
}

/** Whether the pointer that the instruction at a place loads, relative to itself, leads nowhere. */
function isNull(tracee: Tracee, code: Buffer, address: bigint, at: number): boolean {
  return tracee.readWord(address + BigInt(at + LOAD_BYTES + code.readInt32LE(at + 3))) === 0n;
}

function landingOf(code: Buffer): number {
  return code.toString('hex').startsWith(LANDING) ? LANDING_BYTES : 0;
}

/** Compares code with a pattern in hexadecimal; a point stands for any digit, a landing pad may come first. */
function matches(code: Buffer, pattern: string): boolean {
  return new RegExp(`^(${LANDING})?${pattern}`).test(code.toString('hex'));
}
