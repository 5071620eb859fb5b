import { decodeString } from './json-string.js';
import { type Span, visitMembers } from './json-text.js';

/**
 * What the kernel could ever take as environment: three quarters of 8 MiB, whatever the limit on the stack
 * (execve(2), "Limits on size of arguments and environment"). Larger contexts need not be read.
 */
const MAX_CONTEXT_BYTES = 6 * 1024 * 1024;
/** Members of one object that become variables or headers, duplicates included. */
export const MAX_CONTEXT_MEMBERS = 16_384;

const TOO_LARGE = `is larger than ${MAX_CONTEXT_BYTES} bytes`;

const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const COMMA = 0x2c;
/** A letter of a name is at most that long as an escape: `\\u0061`. */
const ESCAPE_BYTES = 6;

/** One member of an object: its name, decoded, and where its value stands. */
export interface Member {
  readonly name: string;
  readonly value: Span;
}

/** The members that are asked for by name, and how many others are kept. */
export interface MemberSelection {
  readonly named: readonly string[];
  readonly others?: typeof MAX_CONTEXT_MEMBERS;
}

/**
 * The members of an object, the last of each name, in the order in which the names first appeared.
 *
 * Its memory does not grow with the number of members: it has those that are asked for by name, and of the
 * others no more than the limits above allow.
 */
export class Members {
  readonly #text: Buffer;
  readonly #wanted: MemberSelection;
  readonly #found = new Map<string, Member>();
  #nameBytes = 0;
  #others = 0;
  #problem: string | undefined;

  constructor(text: Buffer, wanted: MemberSelection) {
    this.#text = text;
    this.#wanted = wanted;
  }

  /** The last member of that name, as every JSON reader takes duplicates; undefined if there is none. */
  get(name: string): Member | undefined {
    return this.#found.get(name);
  }

  /**
   * All that were kept but those of these names.
   *
   * @returns why they can't be had, as `is larger than …`: they are more than the limits allow
   */
  others(...except: readonly string[]): readonly Member[] | { readonly problem: string } {
    if (this.#problem !== undefined) return { problem: this.#problem };
    const others = [...this.#found.values()].filter(({ name }) => !except.includes(name));
    const bytes = others.reduce((sum, { value }) => sum + value.end - value.start, this.#nameBytes);
    return bytes > MAX_CONTEXT_BYTES ? { problem: TOO_LARGE } : others;
  }

  /** Takes a member as {@link visitMembers} finds it. */
  add(nameAt: number, nameEnd: number, start: number, end: number): void {
    const name = this.#nameOf(nameAt, nameEnd);
    if (name !== undefined) this.#found.set(name, { name, value: { start, end } });
  }

  /** The name, if the member is to be kept. */
  #nameOf(at: number, end: number): string | undefined {
    const { named, others = 0 } = this.#wanted;
    if (others > 0 && this.#problem === undefined) {
      this.#nameBytes += end - at;
      if (++this.#others > others + named.length) this.#problem = `has more than ${others} members`;
      else if (this.#nameBytes > MAX_CONTEXT_BYTES) this.#problem = TOO_LARGE;
      else return decodeString(this.#text, { start: at, end });
    }
    for (const name of named) if (isName(this.#text, at, end, name)) return name;
    return undefined;
  }
}

/** Whether the name token at `at` is that name, in ASCII; what is too long to be it is not decoded. */
function isName(text: Buffer, at: number, end: number, name: string): boolean {
  const length = end - at - 2;
  if (length < name.length || length > name.length * ESCAPE_BYTES) return false;
  const inner = text.subarray(at + 1, end - 1);
  if (inner.indexOf(BACKSLASH) !== -1) return decodeString(text, { start: at, end }) === name;
  return length === name.length && inner.toString('latin1') === name;
}

/**
 * Reads the members of the object at `at`; everything in it is checked.
 *
 * @param depth how many containers are open around the object
 * @returns the members that are wanted, and the position after the object
 * @throws JsonTextError if it is not JSON
 */
export function readMembers(
  text: Buffer,
  at: number,
  end: number,
  depth: number,
  wanted: MemberSelection,
): { readonly members: Members; readonly end: number } {
  const members = new Members(text, wanted);
  const after = visitMembers(text, at, end, depth, (nameAt, nameEnd, valueAt, valueEnd) =>
    members.add(nameAt, nameEnd, valueAt, valueEnd),
  );
  return { members, end: after };
}

/**
 * The object at `span` without the members of these names: its own bytes otherwise, duplicates included.
 *
 * @param span a checked object, which itself stands in `depth` containers
 * @returns the object as it stands if it has none of them
 */
export function withoutMembers(text: Buffer, span: Span, depth: number, names: readonly string[]): Buffer {
  // Not longer than the object itself: each run of members that stay had a bracket or a comma before it.
  const rest = Buffer.allocUnsafe(span.end - span.start);
  let length = 0;
  let run: { readonly start: number; end: number } | undefined;
  const endRun = (): void => {
    if (run === undefined) return;
    rest[length] = length === 0 ? OPEN_BRACE : COMMA;
    length += 1 + text.copy(rest, length + 1, run.start, run.end);
    run = undefined;
  };
  let isWhole = true;
  visitMembers(text, span.start, span.end, depth, (nameAt, nameEnd, _valueAt, valueEnd) => {
    if (names.some((name) => isName(text, nameAt, nameEnd, name))) {
      isWhole = false;
      endRun();
    } else if (run === undefined) run = { start: nameAt, end: valueEnd };
    else run.end = valueEnd;
  });
  if (isWhole) return text.subarray(span.start, span.end);
  endRun();
  if (length === 0) rest[length++] = OPEN_BRACE;
  rest[length++] = CLOSE_BRACE;
  return rest.subarray(0, length);
}
