import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Header } from '../../protocol/answer.js';
import {
  type Answer,
  type BodyPiece,
  type CutReason,
  type Delivery,
  type Exchange,
  MAX_BYTES_AT_ONCE,
} from '../exchange.js';
import type { Transfer, Transfers } from '../transfers.js';
import { closeGracefully } from './closing.js';
import { latin1, utf8 } from './request-head.js';
import { Sending } from './sending.js';

/** An exchange by node:http. */
export class NodeExchange implements Exchange, Transfer {
  /** An answer is never lost: {@link closeGracefully}. */
  readonly losesEarlyAnswer = false;
  query = '';
  movedBytes = 0;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #transfers: Transfers;
  /** Whether the client waits for a 100 before it sends the body (RFC 9110, section 10.1.1). */
  #expectsContinue: boolean;
  #isOver = false;
  #take: ((piece: BodyPiece, isLast: boolean) => void) | undefined;
  #cut: ((reason: CutReason) => void) | undefined;
  /** Of an answer that is on its way in one piece. */
  #delivery: Delivery | undefined;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    transfers: Transfers,
    expectsContinue: boolean,
  ) {
    this.#request = request;
    this.#response = response;
    this.#transfers = transfers;
    this.#expectsContinue = expectsContinue;
    // What node:http has to say of a connection that ends comes by `close`, too.
    request.on('error', ignore);
    response.on('error', ignore);
    response.once('close', () => {
      if (!this.#isOver) this.fail('gone');
    });
  }

  get method(): string {
    return this.#request.method ?? '';
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether the whole request has come. */
  get isReceived(): boolean {
    return this.#request.complete;
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return value === undefined ? undefined : utf8(typeof value === 'string' ? value : value.join(', '));
  }

  eachHeader(visit: (name: string, value: string) => void): void {
    const { rawHeaders } = this.#request;
    for (let at = 0; at < rawHeaders.length; at += 2) {
      visit((rawHeaders[at] as string).toLowerCase(), utf8(rawHeaders[at + 1] as string));
    }
  }

  onBody(take: (piece: BodyPiece, isLast: boolean) => void): void {
    this.#take = take;
    this.#transfers.add(this);
    this.#request.on('data', (piece: Buffer) => {
      this.movedBytes += piece.byteLength;
      this.#take?.(piece, false);
    });
    this.#request.on('end', () => {
      this.#transfers.delete(this);
      this.#take?.(NOTHING, true);
    });
    if (!this.#expectsContinue) return;
    this.#expectsContinue = false;
    this.#response.writeContinue();
  }

  onCut(cut: (reason: CutReason) => void): void {
    this.#cut = cut;
  }

  /** Calls back when the exchange is over and the connection is free for the next one. */
  onOver(over: () => void): void {
    this.#response.once('close', over);
  }

  /** The rest of the request will not come. */
  fail(reason: CutReason): void {
    this.#transfers.delete(this);
    if (reason === 'gone') this.#isOver = true;
    const cut = this.#cut;
    this.#cut = undefined;
    cut?.(reason);
    // It has been answered without its body.
    if (cut === undefined) closeGracefully(this.#request.socket);
  }

  prolong(): void {
    // Nothing else ends it.
  }

  stalled(): void {
    if (!this.#isOver) {
      this.fail('stalled');
      return;
    }
    this.#delivery?.begins(0);
    this.#delivery?.ends(false, 0);
    this.#request.socket.destroy();
  }

  answer(answer: Answer): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#transfers.delete(this);
    this.#take = undefined;
    const { status, body, delivery } = answer;
    const request = this.#request;
    const response = this.#response;
    // A client that has waited for a 100 in vain may send the body or the next request: nobody could tell which.
    const closes = answer.closes || this.#expectsContinue;
    if (!request.complete && (closes || !response.shouldKeepAlive)) {
      // node:http calls it when the answer has been sent.
      request.socket.destroySoon = () => closeGracefully(request.socket);
    }
    response.writeHead(status, STATUS_CODES[status] ?? 'Unknown', headOf(answer, closes));
    const isWithoutBody = body === undefined || request.method === 'HEAD';
    if (
      !isWithoutBody &&
      delivery !== undefined &&
      typeof body !== 'string' &&
      body.byteLength > MAX_BYTES_AT_ONCE
    )
      this.#deliver(body, delivery);
    else this.#sendAtOnce(isWithoutBody ? undefined : body, delivery);
  }

  /** The system may have no room for it as long as the client takes nothing. */
  #sendAtOnce(body: Uint8Array | string | undefined, delivery: Delivery | undefined): void {
    const response = this.#response;
    this.#delivery = delivery;
    this.#transfers.add(this);
    response.once('close', () => this.#transfers.delete(this));
    if (body === undefined) response.end();
    else response.end(body);
  }

  #deliver(body: Uint8Array, delivery: Delivery): void {
    const sending = new Sending(this.#response, body, delivery, () => this.#transfers.delete(sending));
    this.#transfers.add(sending);
    sending.begin();
  }
}

const NOTHING = new Uint8Array(0);

function ignore(): void {}

/** The header of an answer, as ServerResponse.writeHead() takes it: names and values in turn. */
function headOf({ type, headers, further, body }: Answer, closes: boolean): string[] {
  const head: string[] = [];
  if (type !== undefined) head.push('Content-Type', type);
  for (const fields of [headers, further]) {
    for (const [name, value] of fields ?? NONE) head.push(name, latin1(value));
  }
  if (closes) head.push('Connection', 'close');
  if (body !== undefined) head.push('Content-Length', String(Buffer.byteLength(body)));
  return head;
}

const NONE: readonly Header[] = [];
