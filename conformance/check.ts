import { isDeepStrictEqual } from 'node:util';

const SHOWN_CHARACTERS = 400;

/** A rule that the target does not keep; the message says what was expected and what came. */
export class Violation extends Error {}

/** Why a case can't be decided here; it counts as skipped. */
export class Skip extends Error {}

/** Throws unless both are deeply equal. */
export function equal(what: string, got: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(got, expected)) throw violation(what, show(expected), show(got));
}

/** Throws unless the text matches. */
export function matches(what: string, got: string, expected: RegExp): void {
  if (!expected.test(got)) throw violation(what, `text that matches ${expected}`, show(got));
}

/** Throws unless the fact holds; `expected` and `got` are put into words by the caller. */
export function holds(what: string, fact: boolean, expected: string, got: unknown): void {
  if (!fact) throw violation(what, expected, show(got));
}

/** Resolves once the condition holds; throws a violation after so many milliseconds. */
export async function eventually(
  what: string,
  withinMs: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw violation(what, `within ${withinMs} ms`, 'not yet');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function violation(what: string, expected: string, got: string): Violation {
  return new Violation(`${what}: expected ${expected}, got ${got}`);
}

/** A value as it is shown in a report: one line, cut to a length that fits. */
export function show(value: unknown): string {
  const plain = Buffer.isBuffer(value) ? value.toString('utf8') : value;
  const text = JSON.stringify(plain) ?? String(plain);
  if (text.length <= SHOWN_CHARACTERS) return text;
  return `${text.slice(0, SHOWN_CHARACTERS)}… (${text.length} characters)`;
}
