import { messageOf } from '../protocol/message-of.js';
/** One line of an exposition. */
export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /[a-zA-Z_][a-zA-Z0-9_]*/y;
/** What stands between the quotes of a label's value. */
const QUOTED = /(?:[^"\\\n]|\\["\\n])*/y;
const COMMENT = /^#(?: (?:HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*)(?: .*)?| .*)?$/;
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const TIMESTAMP = /^-?\d+$/;

/**
 * Reads Prometheus' text format, version 0.0.4. Strict: a page that only resembles it is refused, so that no wrong
 * number is shown.
 *
 * @throws Error that names the line
 */
export function parseText(text: string): ParsedSample[] {
  const samples: ParsedSample[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    if (line === '' || COMMENT.test(line)) continue;
    try {
      samples.push(sampleOf(line));
    } catch (error) {
      const reason = messageOf(error);
      throw new Error(`line ${at + 1} is not in Prometheus' text format: ${reason}`);
    }
  }
  return samples;
}

function sampleOf(line: string): ParsedSample {
  const reader = new Reader(line);
  const name = reader.take(NAME, 'a name');
  const labels: Record<string, string> = {};
  if (reader.skip('{')) {
    while (!reader.skip('}')) {
      const label = reader.take(LABEL, 'a label');
      reader.expect('="');
      if (Object.hasOwn(labels, label)) throw new Error(`the label ${label} is there twice`);
      // Not by assignment: `__proto__` is a name that a label may have.
      Object.defineProperty(labels, label, { value: unescaped(reader.take(QUOTED)), enumerable: true });
      reader.expect('"');
      // A comma may also follow the last one.
      if (!reader.skip(',') && !reader.sees('}')) throw new Error('a comma or } is missing');
    }
  }
  const [value, timestamp, ...rest] = reader.words();
  if (value === undefined) throw new Error('the value is missing');
  if (rest.length > 0 || (timestamp !== undefined && !TIMESTAMP.test(timestamp))) {
    throw new Error('there is more than a value and a time');
  }
  return { name, labels, value: numberOf(value) };
}

/** Goes through one line. */
class Reader {
  readonly #line: string;
  #at = 0;

  constructor(line: string) {
    this.#line = line;
  }

  /** @param what to be named where it is missing; without it, it may be empty */
  take(pattern: RegExp, what?: string): string {
    pattern.lastIndex = this.#at;
    const [found = ''] = pattern.exec(this.#line) ?? [];
    if (found === '' && what !== undefined) throw new Error(`${what} is missing`);
    this.#at += found.length;
    return found;
  }

  sees(text: string): boolean {
    return this.#line.startsWith(text, this.#at);
  }

  skip(text: string): boolean {
    const there = this.sees(text);
    if (there) this.#at += text.length;
    return there;
  }

  expect(text: string): void {
    if (!this.skip(text)) throw new Error(`${text} is missing`);
  }

  words(): string[] {
    const rest = this.#line.slice(this.#at);
    if (rest !== '' && !/^[ \t]/.test(rest)) throw new Error('a blank is missing before the value');
    return rest.split(/[ \t]+/).filter((word) => word !== '');
  }
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
}

function numberOf(text: string): number {
  if (text === 'NaN') return Number.NaN;
  if (text === '+Inf' || text === 'Inf') return Number.POSITIVE_INFINITY;
  if (text === '-Inf') return Number.NEGATIVE_INFINITY;
  if (!NUMBER.test(text)) throw new Error(`${JSON.stringify(text)} is no number`);
  return Number(text);
}
