import { UnsupportedError } from '../../errors.js';
import type { StringLayout } from './string-layout.js';
import type { Tracee } from './tracee.js';

const WORD = 8n;
const MAX_STRINGS = 16_384;

/** Where the strings of a run belong on the stack of a new program, and the pointers to them. */
export interface StackMap {
  /** Where argv[1], the last argument, begins. */
  readonly argument: bigint;
  /** Behind the last variable of a run: there those of the action begin. */
  readonly variablesEnd: bigint;
  /** The pointers to a run's variables, the first ones of the environment. */
  readonly envPointers: bigint;
  /** The pointers that must not have changed when the program is cloned later. */
  readonly pointers: Buffer;
  readonly pointersAt: bigint;
}

/**
 * Finds the room that {@link launchStrings} reserved, on the stack as the kernel has laid it out (execve(2)): the count
 * of arguments, pointers to them, pointers to the environment, and the strings behind one another.
 *
 * @param stackPointer at the first instruction
 * @throws UnsupportedError when anything is not where it must be
 */
export function mapStack(tracee: Tracee, stackPointer: bigint, layout: StringLayout): StackMap {
  const count = Number(tracee.readWord(stackPointer));
  if (count < 2 || count > MAX_STRINGS) throw new UnsupportedError(`it has ${count} arguments`);
  const argument = tracee.readWord(stackPointer + WORD * BigInt(count));
  requireLength(tracee, argument, layout.argumentCapacityBytes - 1, 'the argument');
  const envPointers = stackPointer + WORD * BigInt(count + 2);
  let at = tracee.readWord(envPointers);
  const begin = at;
  for (const [index, name] of layout.names.entries()) {
    const pointer = tracee.readWord(envPointers + WORD * BigInt(index));
    const expected = Buffer.from(`${name}=`);
    const string = tracee.readString(pointer, layout.variablesCapacityBytes);
    if (pointer !== at || !string.subarray(0, expected.length).equals(expected))
      throw new UnsupportedError(`the variable ${name} is not in its place`);
    at += BigInt(string.length + 1);
  }
  if (at - begin !== BigInt(layout.variablesCapacityBytes))
    throw new UnsupportedError('the variables have another length');
  const pointersEnd = envPointers + WORD * BigInt(layout.names.length);
  return {
    argument,
    variablesEnd: at,
    envPointers,
    pointers: tracee.read(stackPointer, Number(pointersEnd - stackPointer)),
    pointersAt: stackPointer,
  };
}

function requireLength(tracee: Tracee, address: bigint, length: number, what: string): void {
  const found = tracee.readString(address, length).length;
  if (found !== length) throw new UnsupportedError(`${what} has ${found} bytes instead of ${length}`);
}
