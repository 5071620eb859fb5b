import { type ActionImage, argumentFits } from '../../../os/action-image.js';
import { entryName, type Variable } from '../../../protocol/environment.js';
import type { StartRequest } from '../../engine.js';

/** The space that a template reserves for the argument and environment strings of a run. */
export interface StringLayout {
  /** The variables that every run of it has, in whatever order. */
  readonly names: readonly string[];
  /** Bytes for argv[1] with its NUL. */
  readonly argumentCapacityBytes: number;
  /** Bytes for all variables of a run with their NULs; 0 where it has none. */
  readonly variablesCapacityBytes: number;
}

const MIN_ARGUMENT_CAPACITY_BYTES = 4096;
const MAX_ARGUMENT_CAPACITY_BYTES = 128 * 1024;
const MIN_VARIABLES_CAPACITY_BYTES = 1024;
const MAX_VARIABLES_CAPACITY_BYTES = 32 * 1024;

/**
 * The layout for runs like this one: the same names, and space for twice its strings.
 *
 * @returns undefined when no template can hold such a run
 */
export function layoutFor({ argument, variables }: StartRequest): StringLayout | undefined {
  const variablesBytes = bytesOf(variables);
  if (!argumentFits(argument) || variablesBytes > MAX_VARIABLES_CAPACITY_BYTES) return undefined;
  return {
    names: variables.map(([name]) => name),
    argumentCapacityBytes: capacityFor(
      argument.length + 1,
      MIN_ARGUMENT_CAPACITY_BYTES,
      MAX_ARGUMENT_CAPACITY_BYTES,
    ),
    variablesCapacityBytes:
      variables.length === 0
        ? 0
        : capacityFor(variablesBytes, MIN_VARIABLES_CAPACITY_BYTES, MAX_VARIABLES_CAPACITY_BYTES),
  };
}

/** A layout that holds what both hold; their names are the same. */
export function layoutUnion(layout: StringLayout, other: StringLayout): StringLayout {
  return {
    names: layout.names,
    argumentCapacityBytes: Math.max(layout.argumentCapacityBytes, other.argumentCapacityBytes),
    variablesCapacityBytes: Math.max(layout.variablesCapacityBytes, other.variablesCapacityBytes),
  };
}

/** Whether a run's variables are those of the layout, in any order. */
export function hasNames(layout: StringLayout, variables: readonly Variable[]): boolean {
  if (variables.length !== layout.names.length) return false;
  if (variables.every(([name], index) => name === layout.names[index])) return true;
  return variables.every(([name]) => layout.names.includes(name));
}

/** The arguments behind argv[0], and the environment, that reserve the room: filled up with a letter. */
export function launchStrings(
  layout: StringLayout,
  action: ActionImage,
): { readonly arguments: readonly Buffer[]; readonly environment: readonly Buffer[] } {
  const names = layout.names.map((name) => Buffer.from(`${name}=`));
  const named = names.reduce((sum, name) => sum + name.length + 1, 0);
  const reserved = names.map((name, index) =>
    index === 0 ? Buffer.concat([name, Buffer.alloc(layout.variablesCapacityBytes - named, FILLER)]) : name,
  );
  const own = action.environment.filter((entry) => !layout.names.includes(entryName(entry)));
  return {
    arguments: [Buffer.alloc(layout.argumentCapacityBytes - 1, FILLER)],
    environment: [...reserved, ...own],
  };
}

const FILLER = 'x';

function bytesOf(variables: readonly Variable[]): number {
  return variables.reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value) + 2,
    0,
  );
}

function capacityFor(bytes: number, least: number, largest: number): number {
  let room = least;
  while (room < 2 * bytes && room < largest) room *= 2;
  return room;
}
