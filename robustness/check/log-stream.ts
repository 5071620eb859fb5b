import { constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { SENTINEL } from '../../conformance/messages.js';

const OWN_LINE = /^(?:[LE]|invalid) (\S+)$/;
const PADDING_LINE = /^P \S+ \d+$/;
const MAX_OTHER_LINES = 200;
const MAX_SEGMENTS = 50;

/** Who is told of what comes. */
interface LogEvents {
  /** The line `L token` or `E token` of a run. */
  line(token: string): void;
  /** A line that holds a sentinel and something else. */
  torn(line: string): void;
}

/** Reads one of the server's log streams from a FIFO, as a container's log driver reads a pipe. */
export class LogStream {
  readonly #path: string;
  readonly #events: LogEvents;
  #socket: Socket | undefined;
  #rest = '';
  /** How many sentinels have come. */
  sentinels = 0;
  receivedBytes = 0;
  /** The tokens since the last sentinel, and those between sentinels before that. */
  #segment: string[] = [];
  readonly #segments: (readonly string[])[] = [];
  /** Lines that are neither the action's nor sentinels: the server's own words, or what a torn line left. */
  readonly others: string[] = [];

  /** @param path of a FIFO that exists; it is opened before the server opens it, who would wait otherwise */
  constructor(path: string, events: LogEvents) {
    this.#path = path;
    this.#events = events;
    this.open();
  }

  /** Begins to read, or to read again after {@link close}. */
  open(): void {
    const fd = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk.toString('latin1')));
    this.#socket.on('error', () => {});
  }

  /** Reads nothing until {@link resume}: the pipe fills and the writers wait. */
  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** The reader goes away: who writes gets EPIPE. */
  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  /** The tokens of all lines between the same two sentinels as the token's line; undefined if that is not there. */
  segmentOf(token: string): readonly string[] | undefined {
    return this.#segments.findLast((segment) => segment.includes(token));
  }

  #take(text: string): void {
    this.receivedBytes += text.length;
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    if (line === SENTINEL) {
      this.sentinels++;
      this.#segments.push(this.#segment);
      if (this.#segments.length > MAX_SEGMENTS) this.#segments.shift();
      this.#segment = [];
      return;
    }
    const token = OWN_LINE.exec(line)?.[1];
    if (token !== undefined) {
      this.#segment.push(token);
      if (!line.startsWith('invalid')) this.#events.line(token);
      return;
    }
    if (PADDING_LINE.test(line)) return;
    if (line.includes(SENTINEL)) this.#events.torn(line);
    if (this.others.length < MAX_OTHER_LINES) this.others.push(line);
  }
}
