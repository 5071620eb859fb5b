import { STATUS_CODES } from 'node:http';
import type { Request, Response } from 'hyper-express';
import { freeBuffer } from '../../os/idle-gc.js';
import {
  type Answer,
  type BodyPiece,
  type CutReason,
  type Delivery,
  type Exchange,
  MAX_BYTES_AT_ONCE,
} from '../exchange.js';
import type { Transfer, Transfers } from '../transfers.js';

/** Takes what still comes of a body when its request is answered: the framework would keep all of it. */
const ignore = (): void => {};

/**
 * How long a kept connection stays open at least, in seconds, for clients that ask: uWebSockets closes it 8 to 12 s after
 * the last answer, and has no setting for that (HTTP_TIMEOUT_S, and ticks of 4 s).
 */
const KEEP_ALIVE = 'timeout=7';

/**
 * An exchange by uWebSockets. Answers go to it directly: the framework would hold the end of an answer back until the whole
 * body of the request has come, and send a body with the answer to HEAD.
 */
export class UwsExchange implements Exchange, Transfer {
  movedBytes = 0;
  readonly #request: Request;
  readonly #response: Response;
  readonly #transfers: Transfers;
  #cut: ((reason: CutReason) => void) | undefined;
  #delivery: Delivery | undefined;

  constructor(request: Request, response: Response, transfers: Transfers) {
    this.#request = request;
    this.#response = response;
    this.#transfers = transfers;
  }

  get method(): string {
    return this.#request.method;
  }

  get query(): string {
    return this.#request.path_query ?? '';
  }

  get isOver(): boolean {
    return this.#response.completed;
  }

  get losesEarlyAnswer(): boolean {
    const { connection } = this.#request.headers;
    return connection !== undefined && /\bclose\b/i.test(connection);
  }

  header(name: string): string | undefined {
    return this.#request.headers[name];
  }

  eachHeader(visit: (name: string, value: string) => void): void {
    this.#request.raw.forEach(visit);
  }

  onBody(take: (piece: BodyPiece, isLast: boolean) => void): void {
    this.#transfers.add(this);
    this.#response.raw.onData((piece, isLast) => {
      this.movedBytes += piece.byteLength;
      if (isLast) {
        this.#request.received = true;
        this.#transfers.delete(this);
      }
      take(piece, isLast);
    });
  }

  onCut(cut: (reason: CutReason) => void): void {
    this.#cut = cut;
    // In the place of the framework's own, which would end the body's stream as if it had come whole.
    this.#response.raw.onAborted(() => {
      this.#response.completed = true;
      this.#transfers.delete(this);
      this.#cut?.('gone');
    });
  }

  prolong(): void {
    // The only way to set uWebSockets' timer anew: HttpResponse::resume() does.
    const { raw } = this.#response;
    raw.pause();
    raw.resume();
  }

  stalled(): void {
    if (this.#delivery !== undefined) this.#response.raw.close();
    else this.#cut?.('stalled');
  }

  answer({ status, type, headers, further, body, closes, delivery }: Answer): void {
    const response = this.#response;
    if (response.completed) return;
    response.completed = true;
    const { raw } = response;
    if (!this.#request.received) {
      this.#transfers.delete(this);
      raw.onData(ignore);
    }
    const asksToClose = this.#asksToClose;
    raw.cork(() => {
      // What uWebSockets writes without being told is one call less.
      if (status !== 200) raw.writeStatus(`${status} ${STATUS_CODES[status] ?? 'Unknown'}`);
      if (type !== undefined) raw.writeHeader('Content-Type', type);
      if (headers !== undefined) for (const [name, value] of headers) raw.writeHeader(name, value);
      if (further !== undefined) for (const [name, value] of further) raw.writeHeader(name, value);
      if (!closes && !asksToClose) raw.writeHeader('Keep-Alive', KEEP_ALIVE);
      // uWebSockets writes the header itself, unless the client has asked for the end: then it closes without a word.
      if (closes && asksToClose) raw.writeHeader('Connection', 'close');
      if (body === undefined) {
        raw.endWithoutBody();
      } else if (this.#request.method === 'HEAD') {
        // Told the length, uWebSockets would wait for the body; told to close, it writes a length of its own.
        if (closes) raw.end('', true);
        else raw.writeHeader('Content-Length', String(Buffer.byteLength(body))).endWithoutBody();
      } else if (delivery === undefined || typeof body === 'string' || body.byteLength <= MAX_BYTES_AT_ONCE)
        raw.end(body, closes);
      else this.#deliver(body, delivery);
    });
  }

  /** As uWebSockets sees it: a header of as many letters as `close` has. */
  get #asksToClose(): boolean {
    return this.#request.headers.connection?.length === 'close'.length;
  }

  /** Sends a large body as fast as the client takes it. */
  #deliver(body: Uint8Array, delivery: Delivery): void {
    const { raw } = this.#response;
    delivery.begins(body.byteLength);
    this.#delivery = delivery;
    this.movedBytes = 0;
    this.#transfers.add(this);
    const sendFrom = (offset: number): boolean => {
      this.movedBytes = offset;
      const [, isWhole] = raw.tryEnd(body.subarray(offset), body.byteLength);
      if (isWhole) ends(true);
      return isWhole;
    };
    const ends = (isWhole: boolean): void => {
      this.#transfers.delete(this);
      delivery.ends(isWhole, isWhole ? body.byteLength : this.movedBytes);
      freeBuffer(body);
    };
    raw.onAborted(() => ends(false));
    if (!sendFrom(0)) raw.onWritable(sendFrom);
  }
}
