import { UnsupportedError } from '../../errors.js';
import type { Arch } from '../arch/arch.js';
import { type Elf, sectionBytes } from './elf.js';
import type { Tracee } from './tracee.js';

/** A message of glibc's malloc; a static program with an allocator of its own can't hold both (ld(1)). */
const ALLOCATOR_MARKER = 'free(): invalid pointer';
const STT_GNU_IFUNC = 10;
const SYMBOL_BYTES = 24;
/** What glibc, libm and libatomic choose by the processor. */
const GLIBC_IFUNCS = [
  /^_*(libc_|new_)?(mem|str|stp|wcs|wmem|raw)\w*$/,
  /^(bcmp|index|rindex|time|gettimeofday|clock_gettime)$/,
  /^_*(ieee754_)?(f32x?|f64x?)?(sin|cos|sincos|tan|atan2?|exp[12]?|log[12]?|pow|fma|floor|ceil|rint|nearbyint|trunc|round|roundeven)(f|l|f\d+x?)*(_finite|_\w+)?$/,
  /^(__atomic|libat)_\w+$/,
];

/**
 * Makes sure that what a static program runs before its section `.init` is the C library's: its start, its allocator,
 * what it chooses by the processor. All of it lies in one file with the author's code, so it is told by what it is.
 *
 * @param path the executable
 * @throws UnsupportedError naming what is the author's
 */
export function requireLibcStart(tracee: Tracee, arch: Arch, elf: Elf, path: string, entry: bigint): void {
  const code = tracee.read(entry, arch.startOfProgram.bytes).toString('hex');
  if (!arch.startOfProgram.pattern.test(code)) throw new UnsupportedError('it begins with code of its own');
  if (!sectionBytes(path, elf.sections.get('.rodata')).includes(ALLOCATOR_MARKER))
    throw new UnsupportedError('it is static and has an allocator of its own');
  const own = ifuncNames(elf, path).find((name) => !GLIBC_IFUNCS.some((known) => known.test(name)));
  if (own !== undefined) throw new UnsupportedError(`it chooses ${own} by code of its own`);
}

/** The names of functions that are chosen at the start (IFUNC); none where the file is stripped. */
function ifuncNames(elf: Elf, path: string): string[] {
  const symbols = sectionBytes(path, elf.sections.get('.symtab'));
  const names = sectionBytes(path, elf.sections.get('.strtab'));
  const found: string[] = [];
  for (let at = 0; at + SYMBOL_BYTES <= symbols.length; at += SYMBOL_BYTES) {
    if (((symbols[at + 4] as number) & 0xf) !== STT_GNU_IFUNC) continue;
    const begin = symbols.readUInt32LE(at);
    found.push(names.toString('latin1', begin, names.indexOf(0, begin)));
  }
  return found;
}
