import { readFileSync } from 'node:fs';
import { statFields } from '../../../os/proc-stat.js';
import type { Arch } from '../arch/arch.js';
import { ATTRIBUTES_WORDS } from './attributes.js';
import type { StackMap } from './stack-map.js';
import type { StringLayout } from './string-layout.js';

/** Bytes of one page of code and one of data, as stub/stub.ld lays them out. */
export const CODE_BYTES = 4096;
export const STUB_BYTES = 2 * CODE_BYTES;

/** A descriptor that each clone gets anew (struct reopened of stub/layout.h). */
export interface ReopenedDescriptor {
  readonly fd: number;
  /** Of open(2). */
  readonly flags: number;
  /** The stream that it is a copy of; -1: a file. */
  readonly copyOf: number;
}

/** So many at most. */
export const MAX_REOPENED = 16;

/** Words of struct configuration in stub/stub.c. */
export const WORDS = {
  registers: 0,
  stackPointer: 31,
  programCounter: 32,
  threadId: 33,
  robustList: 34,
  robustListBytes: 35,
  random: 36,
  canary: 37,
  argument: 38,
  argumentRoom: 39,
  variablesEnd: 40,
  variablesRoom: 41,
  cells: 42,
  cellCount: 43,
  map: 44,
  name: 57,
  templateName: 59,
  attributes: 61,
  socket: 61 + ATTRIBUTES_WORDS,
  lastStream: 62 + ATTRIBUTES_WORDS,
  closedOnExec: 63 + ATTRIBUTES_WORDS,
  hasSignalMask: 64 + ATTRIBUTES_WORDS,
  signalMask: 65 + ATTRIBUTES_WORDS,
  reopenedCount: 66 + ATTRIBUTES_WORDS,
  reopened: 67 + ATTRIBUTES_WORDS,
  request: 67 + ATTRIBUTES_WORDS + 2 * MAX_REOPENED,
} as const;

/** What ps(1) shows of a template or a prewarmed clone; an action has its own name. */
const TEMPLATE_NAME = 'hs-template';

/** Places in `/proc/[pid]/stat`, counted from the field behind the name (proc(5)). */
const MAP_FIELDS = {
  codeBegin: 23,
  codeEnd: 24,
  stack: 25,
  dataBegin: 42,
  dataEnd: 43,
  heapBegin: 44,
  argumentsBegin: 45,
  environmentEnd: 48,
} as const;
/** prctl_mm_map: no auxiliary vector, another executable neither (PR_SET_MM_MAP, prctl(2)). */
const KEEP_AUXILIARY_AND_EXECUTABLE = 0xffff_ffff_0000_0000n;
const WORD_BYTES = 8;

/** Where and with what a program was stopped. */
export interface StoppedState {
  readonly pid: number;
  readonly registers: BigUint64Array;
  /** Given to set_tid_address(2) and set_robust_list(2); 0n where they were not called. */
  readonly threadId: bigint;
  readonly robustList: bigint;
  readonly robustListBytes: bigint;
  readonly random: bigint;
  readonly canary: bigint;
  /** The end of the heap (brk(2)). */
  readonly heapEnd: bigint;
  /** What its clones must have, struct attributes of stub/layout.h. */
  readonly attributes: Buffer;
  /** Which descriptors a clone has. */
  readonly descriptors: StubDescriptors;
  /** The signals that a clone blocks, and the template all of them; undefined: what it was started with. */
  readonly signalMask?: bigint;
}

/** What a template has open, and a clone gets. */
interface StubDescriptors {
  readonly socket: number;
  /** The highest number of those that a run brings. */
  readonly lastStream: number;
  /** Of these, by bits, which are closed on exec. */
  readonly closedOnExec: bigint;
  readonly reopened: readonly ReopenedDescriptor[];
}

/** Those of a program that has not begun: it was given its streams and the socket, and has opened nothing. */
export const FRESH_DESCRIPTORS: StubDescriptors = {
  socket: 3,
  lastStream: 2,
  closedOnExec: 0n,
  reopened: [],
};

/**
 * The configuration of the loop that is written into the process.
 *
 * @param stack where the strings of a run belong
 */
export function configurationOf(
  arch: Arch,
  state: StoppedState,
  stack: Pick<StackMap, 'argument' | 'variablesEnd' | 'envPointers'>,
  layout: StringLayout,
): Buffer {
  const bytes = Buffer.alloc(WORDS.request * WORD_BYTES);
  const set = (word: number, value: bigint): void => {
    bytes.writeBigUInt64LE(value, word * WORD_BYTES);
  };
  for (const [index, place] of arch.restored.entries())
    set(WORDS.registers + index, state.registers[place] as bigint);
  set(WORDS.stackPointer, state.registers[arch.stackPointer] as bigint);
  set(WORDS.programCounter, state.registers[arch.programCounter] as bigint);
  set(WORDS.threadId, state.threadId);
  set(WORDS.robustList, state.robustList);
  set(WORDS.robustListBytes, state.robustListBytes);
  set(WORDS.random, state.random);
  set(WORDS.canary, state.canary);
  set(WORDS.argument, stack.argument);
  set(WORDS.argumentRoom, BigInt(layout.argumentCapacityBytes));
  set(WORDS.variablesEnd, stack.variablesEnd);
  set(WORDS.variablesRoom, BigInt(layout.variablesCapacityBytes));
  set(WORDS.cells, stack.envPointers);
  set(WORDS.cellCount, BigInt(layout.names.length));
  for (const [index, value] of memoryMap(state).entries()) set(WORDS.map + index, value);
  state.attributes.copy(bytes, WORDS.attributes * WORD_BYTES);
  const name = readFileSync(`/proc/${state.pid}/comm`);
  name.copy(bytes, WORDS.name * WORD_BYTES, 0, name.length - 1);
  bytes.write(TEMPLATE_NAME, WORDS.templateName * WORD_BYTES);
  const { socket, lastStream, closedOnExec, reopened } = state.descriptors;
  set(WORDS.socket, BigInt(socket));
  set(WORDS.lastStream, BigInt(lastStream));
  set(WORDS.closedOnExec, closedOnExec);
  set(WORDS.hasSignalMask, state.signalMask === undefined ? 0n : 1n);
  set(WORDS.signalMask, state.signalMask ?? 0n);
  set(WORDS.reopenedCount, BigInt(reopened.length));
  for (const [index, { fd, flags, copyOf }] of reopened.entries()) {
    const at = (WORDS.reopened + 2 * index) * WORD_BYTES;
    bytes.writeInt32LE(fd, at);
    bytes.writeUInt32LE(flags, at + 4);
    bytes.writeInt32LE(copyOf, at + 8);
  }
  return bytes;
}

/** struct prctl_mm_map as it is; a clone moves the end of its arguments and the begin of its environment. */
function memoryMap({ pid, heapEnd }: StoppedState): bigint[] {
  const fields = statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  const field = (name: keyof typeof MAP_FIELDS): bigint => BigInt(fields[MAP_FIELDS[name]] ?? 0);
  return [
    ...[field('codeBegin'), field('codeEnd'), field('dataBegin'), field('dataEnd')],
    ...[field('heapBegin'), heapEnd, field('stack')],
    ...[field('argumentsBegin'), 0n, 0n, field('environmentEnd')],
    ...[0n, KEEP_AUXILIARY_AND_EXECUTABLE],
  ];
}
