import type { Header } from '../protocol/answer.js';

/** A piece of a body, in the front end's own memory: valid during the call only. */
export type BodyPiece = ArrayBuffer | Uint8Array;

/**
 * Why a request was not taken, or its answer not delivered, as it should have been: its client went away, it brought or took
 * nothing for too long, or what came was not HTTP. After the last two an answer still reaches the client.
 */
export type CutReason = 'gone' | 'stalled' | 'malformed';

/** Is called while a large answer is sent. */
export interface Delivery {
  begins(bytes: number): void;
  /** @param sentBytes how much the client's side of the connection has taken; all, if it was not cut */
  ends(isWhole: boolean, sentBytes: number): void;
}

/** One answer, whole. */
export interface Answer {
  readonly status: number;
  /** The Content-Type, unless it is among the headers. */
  readonly type?: string;
  readonly headers?: readonly Header[];
  /** Headers behind those. */
  readonly further?: readonly Header[];
  /** Undefined: the answer has no body and no Content-Length (204 and 304: RFC 9110, sections 6.4.1 and 8.6). */
  readonly body?: Uint8Array | string;
  /** Whether the connection ends with it. */
  readonly closes?: boolean;
  /** Watches over the body, if that is large. */
  readonly delivery?: Delivery;
}

/** A larger body is sent as the client takes it, without a copy. */
export const MAX_BYTES_AT_ONCE = 64 * 1024;

/**
 * One request and its answer, whichever front end has received it. Header fields and the body can be asked for before the
 * handler's first await only.
 */
export interface Exchange {
  /** In upper case. */
  readonly method: string;
  /** What stands behind the `?` of the request's target; empty if nothing does. */
  readonly query: string;
  /** Whether it has been answered, or the client has gone: an answer is for nobody then. */
  readonly isOver: boolean;
  /**
   * Whether an answer is lost that is sent before the whole body has come, for the connection ends with it and what comes
   * after that resets it (RFC 9112, section 9.6).
   */
  readonly losesEarlyAnswer: boolean;

  /** The value of a header field, by its name in lower case. */
  header(name: string): string | undefined;

  /** Calls back for each line of the header, with the field's name in lower case. */
  eachHeader(visit: (name: string, value: string) => void): void;

  /** Hands the body over as it comes. An answer ends that. */
  onBody(take: (piece: BodyPiece, isLast: boolean) => void): void;

  /** Calls back, once at most, if the exchange is cut before it has been answered. */
  onCut(cut: (reason: CutReason) => void): void;

  /** Sends the answer, with Content-Length (C-SRV-07); nothing if the exchange is over. */
  answer(answer: Answer): void;
}
