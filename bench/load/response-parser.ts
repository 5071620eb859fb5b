const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');

/** One answer of a server. */
export interface ParsedResponse {
  readonly status: number;
  readonly body: Buffer;
  /** Whether the server ends the connection after it. */
  readonly closes: boolean;
  /** Its status line and header fields as they came. */
  readonly head: string;
}

interface Head {
  readonly text: string;
  readonly status: number;
  readonly closes: boolean;
  /** Undefined: chunked. */
  readonly length: number | undefined;
}

/**
 * Takes HTTP/1.1 responses out of a byte stream: bodies by Content-Length or in chunks, which is all that
 * answers a POST on a kept connection. Anything else is an error: a measurement must not guess.
 */
export class ResponseParser {
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #head: Head | undefined;
  #neededBytes = 0;

  /**
   * Adds what came from the socket and answers the responses that are whole now.
   *
   * @throws Error when the stream is no HTTP/1.1 that this reads
   */
  push(bytes: Buffer): ParsedResponse[] {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    const whole: ParsedResponse[] = [];
    // A large body comes in many pieces: they are only joined once it can be whole.
    while (this.#pendingBytes > 0 && this.#pendingBytes >= this.#neededBytes) {
      const response = this.#take();
      if (response === undefined) break;
      if (response.status >= 200) whole.push(response);
    }
    return whole;
  }

  #take(): ParsedResponse | undefined {
    const all = this.#joined();
    if (this.#head === undefined) {
      const end = all.indexOf(HEAD_END);
      if (end < 0) return undefined;
      this.#head = readHead(all.toString('latin1', 0, end));
      this.#rest(all.subarray(end + HEAD_END.length));
      this.#neededBytes = this.#head.length ?? 1;
      return this.#pendingBytes >= this.#neededBytes ? this.#take() : undefined;
    }
    const { status, closes, length, text } = this.#head;
    const found = length === undefined ? readChunks(all) : { body: all.subarray(0, length), end: length };
    if (found === undefined) {
      this.#neededBytes = this.#pendingBytes + 1;
      return undefined;
    }
    this.#head = undefined;
    this.#neededBytes = 0;
    this.#rest(all.subarray(found.end));
    return { status, closes, body: found.body, head: text };
  }

  #joined(): Buffer {
    const all = this.#pending.length === 1 ? this.#pending[0] : Buffer.concat(this.#pending);
    this.#pending = all === undefined ? [] : [all];
    return all ?? Buffer.alloc(0);
  }

  #rest(bytes: Buffer): void {
    this.#pending = bytes.length > 0 ? [bytes] : [];
    this.#pendingBytes = bytes.length;
  }
}

function readHead(text: string): Head {
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(status)) throw new Error(`not HTTP: ${JSON.stringify(text.slice(0, 60))}`);
  const length = /^content-length:\s*(\d+)\s*$/im.exec(text)?.[1];
  const chunked = /^transfer-encoding:\s*chunked\s*$/im.test(text);
  const bodiless = status < 200 || status === 204 || status === 304;
  if (length === undefined && !chunked && !bodiless) {
    throw new Error('an answer without Content-Length and not in chunks');
  }
  const closes = /^connection:\s*close\s*$/im.test(text) || text.startsWith('HTTP/1.0');
  return { text, status, closes, length: bodiless ? 0 : chunked ? undefined : Number(length) };
}

/** The body made of chunks and where it ends; undefined while it isn't whole. */
function readChunks(bytes: Buffer): { body: Buffer; end: number } | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf(LINE_END, at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error('a chunk without a size');
    const begin = lineEnd + LINE_END.length;
    const end = begin + size + LINE_END.length;
    if (end > bytes.length) return undefined;
    if (size === 0) return { body: Buffer.concat(chunks), end };
    chunks.push(bytes.subarray(begin, begin + size));
    at = end;
  }
}
