import type { ProcessExit } from '../../protocol/answer.js';

/** An activation on its way through a process. */
export interface PendingRequest {
  readonly line: Buffer;
  /** When a process got it; undefined while it waits for one. */
  sentMs?: number;
  /** Whether its time is up: nobody shall have it any more. */
  expired?: boolean;
  /** How many processes ended without having read it. */
  unreadCount?: number;
  /** Gets how it ended, once. */
  settle: (end: RequestOutcome) => void;
}

/** How an activation ended, as far as its process is concerned. */
export type RequestOutcome =
  | { readonly kind: 'answered'; readonly line: Buffer }
  /** Its answer was longer than may be, or than there was room for, and the process was ended. */
  | { readonly kind: 'too-long'; readonly exceededBudget: boolean }
  /** The process has ended, or was ended. */
  | { readonly kind: 'exited'; readonly exit: ProcessExit }
  /** No process could be started for it. */
  | { readonly kind: 'not-started' }
  /** It was taken back before a process had it. */
  | { readonly kind: 'taken-back' };

interface SentRequest {
  readonly request: PendingRequest;
  /** As they were written to stdin. */
  readonly bytes: Buffer;
  readonly number: number;
}

const SPACE = 0x20;
/** The line feed of a request: who reads JSON values, and not lines, may leave it unread when it answers. */
const LINE_FEED_BYTES = 1;

/** What one process has been given and has not answered, in order. */
export class SentRequests {
  /**
   * Whether each line begins with a number and a space, in both directions (C-AL-23). An answer then belongs to the
   * request of its number; without numbers each answer belongs to the oldest request.
   */
  numbered = false;
  readonly #sent: SentRequest[] = [];
  #lastNumber = 0;

  get length(): number {
    return this.#sent.length;
  }

  has(request: PendingRequest): boolean {
    return this.#sent.some((given) => given.request === request);
  }

  /** @returns what is to be written to stdin for it */
  add(request: PendingRequest): Buffer {
    const number = ++this.#lastNumber;
    const bytes = this.numbered ? Buffer.concat([Buffer.from(`${number} `), request.line]) : request.line;
    this.#sent.push({ request, bytes, number });
    return bytes;
  }

  /**
   * Takes the activation that a line answers.
   *
   * @param unreadBytes of what was written to stdin, how many bytes are known not to have been read
   * @returns undefined if the line can't be an answer: it came before the request of its turn was read, it has
   * another number than any of them, or there is none
   */
  takeAnswered(line: Buffer, unreadBytes: number): { request: PendingRequest; answer: Buffer } | undefined {
    if (!this.numbered) {
      const [oldest, ...later] = this.#sent;
      if (oldest === undefined) return undefined;
      const unreadOfOldest = later.reduce((left, { bytes }) => left - bytes.length, unreadBytes);
      if (unreadOfOldest > LINE_FEED_BYTES) return undefined;
      this.#sent.shift();
      return { request: oldest.request, answer: line };
    }
    const space = line.indexOf(SPACE);
    const number = line.toString('latin1', 0, Math.max(space, 0));
    const at = this.#sent.findIndex((given) => String(given.number) === number);
    const [answered] = at < 0 ? [] : this.#sent.splice(at, 1);
    return answered && { request: answered.request, answer: line.subarray(space + 1) };
  }

  /** @returns how many of them, from the last one on, no byte has been read of */
  countUnread(unreadBytes: number): number {
    let left = unreadBytes;
    let count = 0;
    for (const { bytes } of this.#sent.toReversed()) {
      left -= bytes.length;
      if (left < 0) break;
      count++;
    }
    return count;
  }

  /** Takes the activations, from the last one on, of which not a byte has been read. */
  takeUnread(unreadBytes: number): PendingRequest[] {
    const count = this.countUnread(unreadBytes);
    return this.#sent.splice(this.#sent.length - count).map(({ request }) => request);
  }

  /** Takes them all. */
  takeAll(): PendingRequest[] {
    return this.#sent.splice(0).map(({ request }) => request);
  }
}
