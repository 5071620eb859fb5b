import { connect, type Socket } from 'node:net';
import type { Endpoint } from './exchange.js';
import { type ParsedResponse, ResponseParser } from './response-parser.js';

/** One kept connection that has at most one request on its way. */
export class Connection {
  readonly #endpoint: Endpoint;
  #socket: Socket | undefined;
  #pending: { resolve(response: ParsedResponse): void; reject(error: Error): void } | undefined;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** Sends a request made by {@link requestBytes}; rejects when the connection ends without an answer. */
  send(bytes: Buffer): Promise<ParsedResponse> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#socket ??= this.#open();
      this.#socket.write(bytes);
    });
  }

  /** Connects ahead of the first request. */
  open(): void {
    this.#socket ??= this.#open();
  }

  /** Ends it without waiting for the answer, which is rejected. */
  abandon(): void {
    this.#socket?.destroy();
  }

  close(): void {
    this.#pending = undefined;
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(): Socket {
    const parser = new ResponseParser();
    const socket = connect(this.#endpoint.port, this.#endpoint.host);
    socket.setNoDelay(true);
    const lost = (error: Error): void => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      socket.destroy();
      const pending = this.#pending;
      this.#pending = undefined;
      pending?.reject(error);
    };
    socket.on('error', lost);
    socket.on('close', () => lost(new Error('the connection ended without an answer')));
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const response of parser.push(chunk)) this.#answered(response);
      } catch (error) {
        lost(error instanceof Error ? error : new Error(String(error)));
      }
    });
    return socket;
  }

  #answered(response: ParsedResponse): void {
    if (response.closes) {
      this.#socket?.destroy();
      this.#socket = undefined;
    }
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.resolve(response);
  }
}

/** A whole POST, in one piece: one write. */
export function requestBytes(endpoint: Endpoint, body: string | Buffer, path = endpoint.path): Buffer {
  const head =
    `POST ${path} HTTP/1.1\r\nHost: ${endpoint.host}:${endpoint.port}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return typeof body === 'string' ? Buffer.from(head + body) : Buffer.concat([Buffer.from(head), body]);
}
