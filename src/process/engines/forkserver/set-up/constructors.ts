import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { Unsuitable } from '../refusal.js';
import { DT_INIT, DT_INIT_ARRAY, DT_INIT_ARRAY_BYTES, type Elf, readElf } from './elf.js';
import { type Mapping, mappingsOf } from './inspection.js';
import type { Tracee } from './tracee.js';

/**
 * Libraries whose constructors were read and found to do what may be done once for all clones: they look at the
 * processor, allocate memory, register handlers; they read no argument, no time, no random bytes, no process id.
 * Only where the system keeps its libraries, and root's: a library of the same name may be anything.
 */
const REVIEWED = [
  // The loader itself; it has none, but its file may be named by version.
  /^ld-(linux-[\w-]+\.so\.\d|2\.\d+\.so)$/,
  // Takes notice of argv, argc and environ by address, sizes caches by CPUID, makes the key of malloc.
  /^libc(\.so\.6|-2\.\d+\.so)$/,
  /^libpthread(\.so\.0|-2\.\d+\.so)$/,
  // Registers frames; __cpu_indicator_init reads CPUID.
  /^libgcc_s\.so\.1$/,
  // The pool for exceptions that no memory is left for; the C locale; iostreams.
  /^libstdc\+\+\.so\.6(\.\d+)*$/,
];
const SYSTEM_FOLDERS = /^(\/usr)?\/lib(64)?(\/[\w-]+-linux-gnu)?\/[^/]+$/;
const WRITABLE_BY_OTHERS = 0o022;
const ROOT = 0;

/**
 * Constructors of shared libraries have run before the program's entry, so once for all clones (D-25). Refuses
 * libraries that have others than the two empty ones the compiler puts into every library, unless reviewed.
 *
 * @throws Unsuitable naming the library
 */
export function expectHarmlessConstructors(tracee: Tracee, executable: string): void {
  for (const { path, begin } of libraries(mappingsOf(tracee.pid), executable)) {
    if (REVIEWED.some((name) => name.test(basename(path))) && isSystemFile(path)) continue;
    if (!isSharedObject(path)) continue;
    if (!hasOnlyEmptyOnes(tracee, readElf(path), begin))
      throw new Unsuitable(`the constructors of ${path} run before its own code`);
  }
}

/** Each mapped file but the program itself, where it begins. */
function libraries(mappings: readonly Mapping[], executable: string): Mapping[] {
  const first = new Map<string, Mapping>();
  for (const mapping of mappings) {
    if (mapping.inode !== '0' && mapping.path !== executable && !first.has(mapping.path))
      first.set(mapping.path, mapping);
  }
  return [...first.values()];
}

function isSystemFile(path: string): boolean {
  const stats = statSync(path);
  return SYSTEM_FOLDERS.test(path) && stats.uid === ROOT && (stats.mode & WRITABLE_BY_OTHERS) === 0;
}

/** Other files are mapped too: locales, caches. */
function isSharedObject(path: string): boolean {
  return /\.so(\.|$)/.test(basename(path));
}

function hasOnlyEmptyOnes(tracee: Tracee, { dynamic }: Elf, base: bigint): boolean {
  const init = dynamic.get(DT_INIT);
  if (init !== undefined && init !== 0n && !matches(tracee.read(base + init, EMPTY_INIT_BYTES), EMPTY_INIT))
    return false;
  const count = Number(dynamic.get(DT_INIT_ARRAY_BYTES) ?? 0n) / 8;
  const array = base + (dynamic.get(DT_INIT_ARRAY) ?? 0n);
  for (let index = 0; index < count; index++) {
    if (!isFrameDummy(tracee, tracee.readWord(array + BigInt(8 * index)))) return false;
  }
  return true;
}

/** endbr64, where the compiler puts it. */
const LANDING = 'f30f1efa';
/** `_init` of crti.o: calls __gmon_start__, which only a program that is profiled has. */
const EMPTY_INIT = '4883ec08 488b05........ 4885c0 7402 ffd0 4883c408 c3'.replace(/ /g, '');
const EMPTY_INIT_BYTES = 4 + EMPTY_INIT.length / 2;
/** A jump: what frame_dummy of crtbegin.o consists of. */
const JUMP = 'e9........';
const JUMP_BYTES = 4 + JUMP.length / 2;
/** register_tm_clones of crtbegin.o, where it leads: does nothing without a library for transactional memory. */
const REGISTER_CLONES =
  '488d3d........ 488d35........ 4829fe 4889f0 48c1ee3f 48c1f803 4801c6 48d1fe 7414 488b05........ 4885c0 7408 ffe0'.replace(
    / /g,
    '',
  );

function isFrameDummy(tracee: Tracee, address: bigint): boolean {
  const code = tracee.read(address, JUMP_BYTES);
  if (!matches(code, JUMP)) return false;
  const landing = code.toString('hex').startsWith(LANDING) ? 4 : 0;
  const target = address + BigInt(landing + 5 + code.readInt32LE(landing + 1));
  return matches(tracee.read(target, REGISTER_CLONES.length / 2), REGISTER_CLONES);
}

/** Compares code with a pattern in hexadecimal; a point stands for any digit, a landing pad may come first. */
function matches(code: Buffer, pattern: string): boolean {
  return new RegExp(`^(${LANDING})?${pattern}`).test(code.toString('hex'));
}
