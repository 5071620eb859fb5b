import type { ProcessExit } from '../process/engines/engine.js';

/** An activation on its way through a process. */
export interface Turn {
  readonly line: Buffer;
  /** When a process got it; undefined while it waits for one. */
  givenMs?: number;
  /** Whether its time is up: nobody shall have it any more. */
  expired?: boolean;
  /** How many processes ended without having read it. */
  returned?: number;
  /** Gets how it ended, once. */
  settle: (end: TurnEnd) => void;
}

/** How an activation ended, as far as its process is concerned. */
export type TurnEnd =
  | { readonly kind: 'answered'; readonly line: Buffer }
  /** Its answer was longer than may be, or than there was room for, and the process was ended. */
  | { readonly kind: 'too-long'; readonly lacksRoom: boolean }
  /** The process has ended, or was ended. */
  | { readonly kind: 'exited'; readonly exit: ProcessExit }
  /** No process could be started for it. */
  | { readonly kind: 'not-started' }
  /** It was taken back before a process had it. */
  | { readonly kind: 'taken-back' };

interface Given {
  readonly turn: Turn;
  /** As they were written to stdin. */
  readonly bytes: Buffer;
  readonly number: number;
}

const SPACE = 0x20;
/** The line feed of a request: who reads JSON values, and not lines, may leave it unread when it answers. */
const LINE_FEED_BYTES = 1;

/** What one process has been given and has not answered, in order. */
export class GivenTurns {
  /**
   * Whether each line begins with a number and a space, in both directions (C-AL-23). An answer then belongs to the
   * request of its number; without numbers each answer belongs to the oldest request.
   */
  numbered = false;
  readonly #given: Given[] = [];
  #lastNumber = 0;

  get length(): number {
    return this.#given.length;
  }

  has(turn: Turn): boolean {
    return this.#given.some((given) => given.turn === turn);
  }

  /** @returns what is to be written to stdin for it */
  add(turn: Turn): Buffer {
    const number = ++this.#lastNumber;
    const bytes = this.numbered ? Buffer.concat([Buffer.from(`${number} `), turn.line]) : turn.line;
    this.#given.push({ turn, bytes, number });
    return bytes;
  }

  /**
   * Takes the activation that a line answers.
   *
   * @param unreadBytes of what was written to stdin, how many bytes are known not to have been read
   * @returns undefined if the line can't be an answer: it came before the request of its turn was read, it has
   * another number than any of them, or there is none
   */
  takeAnswered(line: Buffer, unreadBytes: number): { turn: Turn; answer: Buffer } | undefined {
    if (!this.numbered) {
      const [oldest, ...later] = this.#given;
      if (oldest === undefined) return undefined;
      const unreadOfOldest = later.reduce((left, { bytes }) => left - bytes.length, unreadBytes);
      if (unreadOfOldest > LINE_FEED_BYTES) return undefined;
      this.#given.shift();
      return { turn: oldest.turn, answer: line };
    }
    const space = line.indexOf(SPACE);
    const number = line.toString('latin1', 0, Math.max(space, 0));
    const at = this.#given.findIndex((given) => String(given.number) === number);
    const [answered] = at < 0 ? [] : this.#given.splice(at, 1);
    return answered && { turn: answered.turn, answer: line.subarray(space + 1) };
  }

  /** Takes the activations, from the last one on, of which not a byte has been read. */
  takeUnread(unreadBytes: number): Turn[] {
    let left = unreadBytes;
    const unread: Turn[] = [];
    for (
      let last = this.#given.at(-1);
      last !== undefined && last.bytes.length <= left;
      last = this.#given.at(-1)
    ) {
      left -= last.bytes.length;
      unread.unshift(last.turn);
      this.#given.pop();
    }
    return unread;
  }

  /** Takes them all. */
  takeAll(): Turn[] {
    return this.#given.splice(0).map(({ turn }) => turn);
  }
}
