import { readFileSync } from 'node:fs';
import { statFields } from '../../../os/proc-stat.js';
import type { Arch } from '../arch/arch.js';
import { ATTRIBUTES_WORDS } from './attributes.js';
import type { StackMap } from './stack-map.js';
import type { StringLayout } from './string-layout.js';

/** Bytes of one page of code and one of data, as stub/stub.ld lays them out. */
export const CODE_BYTES = 4096;
export const STUB_BYTES = 2 * CODE_BYTES;

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
  request: 61 + ATTRIBUTES_WORDS,
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
interface StoppedState {
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
}

/** The configuration of the loop that is written into the process. */
export function configurationOf(
  arch: Arch,
  state: StoppedState,
  stack: StackMap,
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
