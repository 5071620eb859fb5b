import type { Socket } from 'node:net';
import type { Answer, CutReason } from '../exchange.js';
import { closeGracefully } from './closing.js';
import type { NodeExchange } from './exchange.js';
import { bytesOf } from './refusal.js';

/** The exchanges of one connection: one after the other, in the order in which they came (RFC 9112, section 9.3.2). */
export class Connection {
  readonly #socket: Socket;
  /** The first is under way; the others came before it was answered. */
  readonly #exchanges: { readonly exchange: NodeExchange; readonly start: () => void }[] = [];
  /** What follows the last exchange: the bytes behind it are no request. */
  #refusal: (() => Answer) | undefined;
  #isClosing = false;
  #endsAfterwards = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Starts an exchange when those before it are over. */
  add(exchange: NodeExchange, start: () => void): void {
    const { length } = this.#exchanges;
    this.#exchanges.push({ exchange, start });
    exchange.onOver(() => this.#next());
    if (length === 0) start();
    else this.#socket.pause();
  }

  /** Answers bytes that are no request, in their turn, and ends the connection. */
  refuse(refusal: () => Answer): void {
    if (this.#isClosing) return;
    if (this.#exchanges.length > 0) {
      this.#refusal ??= refusal;
      return;
    }
    this.#isClosing = true;
    // Where nothing came nothing is refused.
    if (this.#socket.bytesRead === 0 || !this.#socket.writable) {
      this.#socket.destroy();
      return;
    }
    this.#socket.write(bytesOf(refusal()), 'latin1');
    closeGracefully(this.#socket);
  }

  /** An error amid the bytes: of the request whose body was to come, if there is one. */
  fail(reason: CutReason, refusal: () => Answer): void {
    const last = this.#exchanges.at(-1)?.exchange;
    if (last === undefined || last.isReceived) {
      this.refuse(refusal);
    } else if (this.#exchanges.length === 1) {
      last.fail(reason);
    } else {
      this.#exchanges.pop();
      this.refuse(refusal);
    }
  }

  /** The client has closed its sending side amid a request, or is gone: that request is none, those before it are. */
  drop(): void {
    const last = this.#exchanges.at(-1)?.exchange;
    if (last?.isReceived && this.#socket.writable) this.#endsAfterwards = true;
    else this.#socket.destroy();
  }

  #next(): void {
    this.#exchanges.shift();
    const next = this.#exchanges[0];
    if (!this.#socket.writable) return;
    if (next !== undefined) next.start();
    else if (this.#refusal !== undefined) this.refuse(this.#refusal);
    else if (this.#endsAfterwards) this.#socket.end();
    if (this.#exchanges.length < 2) this.#socket.resume();
  }
}
