import { Unsuitable } from '../refusal.js';
import type { Shape } from '../shape.js';
import type { Tracee } from './tracee.js';

const WORD = 8n;
const MOST_STRINGS = 16_384;

/** Where the strings of a run belong on the stack of a new program, and the pointers to them. */
export interface StackMap {
  /** Where argv[1], the last argument, begins. */
  readonly argument: bigint;
  /** Behind the last variable of a run: there those of the action begin. */
  readonly variablesEnd: bigint;
  /** The pointers to a run's variables, the first ones of the environment. */
  readonly cells: bigint;
  /** The pointers that must not have changed when the program is cloned later. */
  readonly pointers: Buffer;
  readonly pointersAt: bigint;
}

/**
 * Finds the room that {@link launchStrings} reserved, on the stack as the kernel has laid it out (execve(2)): the count
 * of arguments, pointers to them, pointers to the environment, and the strings behind one another.
 *
 * @param stackPointer at the first instruction
 * @throws Unsuitable when anything is not where it must be
 */
export function mapStack(tracee: Tracee, stackPointer: bigint, shape: Shape): StackMap {
  const count = Number(tracee.readWord(stackPointer));
  if (count < 2 || count > MOST_STRINGS) throw new Unsuitable(`it has ${count} arguments`);
  const argument = tracee.readWord(stackPointer + WORD * BigInt(count));
  expectLength(tracee, argument, shape.argumentRoom - 1, 'the argument');
  const cells = stackPointer + WORD * BigInt(count + 2);
  let at = tracee.readWord(cells);
  const begin = at;
  for (const [index, name] of shape.names.entries()) {
    const pointer = tracee.readWord(cells + WORD * BigInt(index));
    const expected = Buffer.from(`${name}=`);
    const string = tracee.readString(pointer, shape.variablesRoom);
    if (pointer !== at || !string.subarray(0, expected.length).equals(expected))
      throw new Unsuitable(`the variable ${name} is not in its place`);
    at += BigInt(string.length + 1);
  }
  if (at - begin !== BigInt(shape.variablesRoom)) throw new Unsuitable('the variables have another length');
  const pointersEnd = cells + WORD * BigInt(shape.names.length);
  return {
    argument,
    variablesEnd: at,
    cells,
    pointers: tracee.read(stackPointer, Number(pointersEnd - stackPointer)),
    pointersAt: stackPointer,
  };
}

function expectLength(tracee: Tracee, address: bigint, length: number, what: string): void {
  const found = tracee.readString(address, length).length;
  if (found !== length) throw new Unsuitable(`${what} has ${found} bytes instead of ${length}`);
}
