import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type ParsedResponse, ResponseParser } from '../../bench/load/response-parser.js';
import { messageOf } from '../../src/protocol/message-of.js';
import type { HttpCase } from './http-case.js';

/** What came of a case. */
export interface Exchange {
  readonly answers: readonly ParsedResponse[];
  /** Why the bytes that came can't be read as answers; undefined if they can. */
  readonly problem: string | undefined;
  readonly bytes: Buffer;
  /** Whether the server ended the connection. */
  readonly wasClosed: boolean;
  /** From the last byte sent until the connection was done with. */
  readonly tookMs: number;
}

const MAX_KEPT_BYTES = 1 << 20;

/**
 * Does what the case says, and waits until all its requests are answered or the server has closed the connection.
 *
 * @param patienceMs how long it waits at most
 */
export async function exchange(port: number, one: HttpCase, patienceMs: number): Promise<Exchange> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const received = new Received(socket, one.isHead ?? false);
  socket.setNoDelay(true);
  await received.connected;
  let isOver = false;
  for (const step of one.steps) {
    if (received.isClosed) break;
    if ('send' in step) socket.write(step.send);
    else if ('pauseMs' in step) await delay(step.pauseMs);
    else if (step.end === 'half') socket.end();
    else if (step.end === 'reset') {
      socket.resetAndDestroy();
      isOver = true;
    } else {
      socket.destroy();
      isOver = true;
    }
  }
  const begunMs = performance.now();
  if (!isOver) await received.until((count) => count >= one.maxRequests, patienceMs);
  const tookMs = performance.now() - begunMs;
  const { answers, problem, isClosed } = received;
  const bytes = received.bytes;
  socket.destroy();
  return { answers, problem, bytes, wasClosed: isClosed, tookMs };
}

/** Reads answers from a socket. */
class Received {
  readonly answers: ParsedResponse[] = [];
  readonly connected: Promise<void>;
  problem: string | undefined;
  isClosed = false;
  readonly #chunks: Buffer[] = [];
  readonly #parser = new ResponseParser();
  readonly #isHead: boolean;
  #size = 0;
  #wake: (() => void) | undefined;

  constructor(socket: Socket, isHead: boolean) {
    this.#isHead = isHead;
    this.connected = new Promise((resolve) => {
      socket.once('connect', resolve);
      socket.once('close', () => resolve());
    });
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => {});
    const ended = (): void => {
      this.isClosed = true;
      this.#wake?.();
    };
    socket.once('end', ended);
    socket.once('close', ended);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Resolves once the number of answers suffices, the connection is closed, or the time is up. */
  async until(suffices: (count: number) => boolean, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!this.isClosed && !suffices(this.answers.length)) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #take(chunk: Buffer): void {
    if (this.#size < MAX_KEPT_BYTES) this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#isHead) this.#takeHead();
    else if (this.problem === undefined) this.#parse(chunk);
    this.#wake?.();
  }

  #parse(chunk: Buffer): void {
    try {
      this.answers.push(...this.#parser.push(chunk));
    } catch (error) {
      this.problem = messageOf(error);
    }
  }

  /** The answer to HEAD: a head, whatever length it tells of. */
  #takeHead(): void {
    const text = this.bytes.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0 || this.answers.length > 0) return;
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? Number.NaN);
    if (Number.isNaN(status)) this.problem = `not HTTP: ${text.slice(0, 60)}`;
    this.answers.push({ status, body: Buffer.alloc(0), closes: false, head: text.slice(0, end) });
  }
}
