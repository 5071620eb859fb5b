import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One answer as it came over the wire. */
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
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** The next head, up to and without its empty line; undefined when the connection has ended. */
  async head(): Promise<string | undefined> {
    const at = await this.#position('\r\n\r\n');
    if (at === undefined) return undefined;
    const head = this.#received.toString('latin1', 0, at);
    this.#received = this.#received.subarray(at + 4);
    return head;
  }

  /** The next answer, its body by Content-Length. */
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

  /** Resolves when the server has closed the connection. */
  async ended(): Promise<void> {
    while (!this.#ended) await this.#more();
  }

  close(): void {
    this.socket.destroy();
  }

  async #position(text: string): Promise<number | undefined> {
    for (;;) {
      const at = this.#received.indexOf(text);
      if (at >= 0) return at;
      if (this.#ended) return undefined;
      await this.#more();
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
