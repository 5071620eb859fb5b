import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One answer as it came over the wire; header names are in lower case. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** A connection that sends any bytes and reads answers one by one. */
export class RawConnection {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    // A reset connection ends as a closed one does; what came before it is what counts.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  /** Resolves once connected; rejects where nobody listens. */
  static async open(host: string, port: number): Promise<RawConnection> {
    const socket = connect(port, host);
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The next answer, its body by Content-Length; undefined where the connection ends without one. */
  async answer(): Promise<RawAnswer | undefined> {
    const head = await this.head();
    if (head === undefined) return undefined;
    const [first = '', ...lines] = head.split('\r\n');
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const length = Number(headers.get('content-length') ?? 0);
    while (this.#received.length < length && !this.#ended) await this.#more();
    const body = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return { status: Number(first.split(' ')[1]), headers, body };
  }

  /** The next head without its empty line; undefined where the connection ends without one. */
  async head(): Promise<string | undefined> {
    for (;;) {
      const at = this.#received.indexOf('\r\n\r\n');
      if (at >= 0) {
        const head = this.#received.toString('latin1', 0, at);
        this.#received = this.#received.subarray(at + 4);
        return head;
      }
      if (this.#ended) return undefined;
      await this.#more();
    }
  }

  /** Resolves once the server has closed the connection. */
  async ended(): Promise<void> {
    while (!this.#ended) await this.#more();
  }

  close(): void {
    this.socket.destroy();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
