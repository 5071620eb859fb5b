import type { Variable } from '../../../contract/environment.js';
import { entryName } from '../../../contract/environment.js';
import { type ActionImage, argumentFits, type StartRequest } from '../engine.js';

/** What a template reserves for the strings of a run. */
export interface Shape {
  /** The variables that every run of it has, in whatever order. */
  readonly names: readonly string[];
  /** Bytes for argv[1] with its NUL. */
  readonly argumentRoom: number;
  /** Bytes for all variables of a run with their NULs; 0 where it has none. */
  readonly variablesRoom: number;
}

const LEAST_ARGUMENT_ROOM = 4096;
const LARGEST_ARGUMENT_ROOM = 128 * 1024;
const LEAST_VARIABLES_ROOM = 1024;
const LARGEST_VARIABLES_ROOM = 32 * 1024;

/**
 * The shape for runs like this one: the same names, and room for twice its strings.
 *
 * @returns undefined when no template can hold such a run
 */
export function shapeFor({ argument, variables }: StartRequest): Shape | undefined {
  const variablesBytes = bytesOf(variables);
  if (!argumentFits(argument) || variablesBytes > LARGEST_VARIABLES_ROOM) return undefined;
  return {
    names: variables.map(([name]) => name),
    argumentRoom: roomFor(argument.length + 1, LEAST_ARGUMENT_ROOM, LARGEST_ARGUMENT_ROOM),
    variablesRoom:
      variables.length === 0 ? 0 : roomFor(variablesBytes, LEAST_VARIABLES_ROOM, LARGEST_VARIABLES_ROOM),
  };
}

/** A shape that holds what both hold; their names are the same. */
export function widened(shape: Shape, other: Shape): Shape {
  return {
    names: shape.names,
    argumentRoom: Math.max(shape.argumentRoom, other.argumentRoom),
    variablesRoom: Math.max(shape.variablesRoom, other.variablesRoom),
  };
}

/** Whether a run's variables are those of the shape, in whatever order. */
export function hasNames(shape: Shape, variables: readonly Variable[]): boolean {
  if (variables.length !== shape.names.length) return false;
  if (variables.every(([name], index) => name === shape.names[index])) return true;
  return variables.every(([name]) => shape.names.includes(name));
}

/** The arguments behind argv[0], and the environment, that reserve the room: filled up with a letter. */
export function launchStrings(
  shape: Shape,
  action: ActionImage,
): { readonly arguments: readonly Buffer[]; readonly environment: readonly Buffer[] } {
  const names = shape.names.map((name) => Buffer.from(`${name}=`));
  const named = names.reduce((sum, name) => sum + name.length + 1, 0);
  const reserved = names.map((name, index) =>
    index === 0 ? Buffer.concat([name, Buffer.alloc(shape.variablesRoom - named, FILLER)]) : name,
  );
  const own = action.environment.filter((entry) => !shape.names.includes(entryName(entry)));
  return {
    arguments: [Buffer.alloc(shape.argumentRoom - 1, FILLER)],
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

function roomFor(bytes: number, least: number, largest: number): number {
  let room = least;
  while (room < 2 * bytes && room < largest) room *= 2;
  return room;
}
