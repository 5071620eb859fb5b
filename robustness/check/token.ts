import { createHash, randomBytes } from 'node:crypto';

const PATTERN = /^t([0-9a-f]{8})x(\d+)x([0-9a-f]{6})$/;

const NUMBER_DIGITS = 10;

/**
 * Makes tokens, and recognises its own. A token carries a checksum: a mutated request never holds the token of
 * another one.
 */
export class TokenSource {
  readonly #session = randomBytes(4).toString('hex');
  #count = 0;

  next(): string {
    const head = headOf(this.#session, this.#count++);
    return `${head}x${checksum(head)}`;
  }

  /** Whether this very source made the token. */
  made(token: string): boolean {
    const [, session, number, sum] = PATTERN.exec(token) ?? [];
    if (session !== this.#session || Number(number) >= this.#count) return false;
    return checksum(`t${session}x${number}`) === sum;
  }
}

/** All tokens are equally long: one can take the place of another in bytes that tell their length. */
function headOf(session: string, number: number): string {
  return `t${session}x${String(number).padStart(NUMBER_DIGITS, '0')}`;
}

function checksum(text: string): string {
  return createHash('sha1').update(text).digest('hex').slice(0, 6);
}
