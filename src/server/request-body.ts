import { Writable } from 'node:stream';
import type { Request, Response } from 'hyper-express';

/** Up to here a body that announces its length comes in one buffer from the framework. */
const ONE_BUFFER_BYTES = 256 * 1024;

/** The body, or that it is larger than the limit, or that nobody can tell where it ends. */
export type RequestBody = Uint8Array | 'too-large' | 'malformed';

/**
 * Receives a request's body, whatever its content type, chunked or with a length (C-SRV-06, C-SRV-09).
 *
 * Must be called before the handler's first await. Never resolves when the client goes away half-way: there
 * is nobody to answer then, and nothing has begun.
 *
 * @returns the body in a buffer of its own, that may be transferred to another thread
 */
export function receiveBody(request: Request, response: Response, maxBytes: number): Promise<RequestBody> {
  if (lengthsOf(request) > 1) return Promise.resolve('malformed');
  const encoding = request.headers['transfer-encoding'];
  const length = Number(request.headers['content-length'] ?? 0);
  if (encoding === undefined) {
    if (length > maxBytes) return Promise.resolve('too-large');
    if (length === 0) return Promise.resolve(new Uint8Array(0));
    if (length <= ONE_BUFFER_BYTES) return request.buffer().then((buffer) => new Uint8Array(buffer));
    return receiveStream(request, maxBytes, length);
  }
  if (encoding === 'chunked') return receiveStream(request, maxBytes, undefined);
  return receiveRaw(response, maxBytes);
}

/** How many Content-Length headers there are: with two the parts of the way disagree on where the body ends. */
function lengthsOf(request: Request): number {
  let lengths = 0;
  request.raw.forEach((name) => {
    if (name === 'content-length') lengths++;
  });
  return lengths;
}

/** A large body, written into its place as it comes; one of unknown length is joined at the end. */
function receiveStream(request: Request, maxBytes: number, length: number | undefined): Promise<RequestBody> {
  return new Promise((resolve) => {
    const collected = new Collected(maxBytes, length);
    // Piped, for the framework's stream does not begin to flow when it is listened to.
    request.pipe(
      new Writable({
        write(chunk: Uint8Array, _encoding, done) {
          if (collected.add(chunk)) resolve('too-large');
          done();
        },
        final(done) {
          resolve(collected.bytes());
          done();
        },
      }),
    );
  });
}

/**
 * The framework takes `chunked` in lower case for the only transfer encoding and would hand over nothing for
 * `Chunked`; the server below it has decoded the body all the same (RFC 9112, section 7: names of codings
 * are case-insensitive).
 */
function receiveRaw(response: Response, maxBytes: number): Promise<RequestBody> {
  return new Promise((resolve) => {
    const collected = new Collected(maxBytes, undefined);
    response.raw.onData((chunk, isLast) => {
      if (collected.add(Uint8Array.from(new Uint8Array(chunk)))) resolve('too-large');
      if (isLast) resolve(collected.bytes());
    });
  });
}

class Collected {
  readonly #maxBytes: number;
  readonly #place: Uint8Array | undefined;
  #chunks: Uint8Array[] = [];
  #length = 0;

  constructor(maxBytes: number, length: number | undefined) {
    this.#maxBytes = maxBytes;
    this.#place = length === undefined ? undefined : new Uint8Array(length);
  }

  /** @returns whether the limit has been passed; from then on nothing is kept */
  add(chunk: Uint8Array): boolean {
    const at = this.#length;
    this.#length += chunk.length;
    if (this.#length > this.#maxBytes) {
      this.#chunks = [];
      return true;
    }
    if (this.#place === undefined) this.#chunks.push(chunk);
    else if (this.#length <= this.#place.length) this.#place.set(chunk, at);
    return false;
  }

  bytes(): Uint8Array {
    if (this.#place !== undefined) return this.#place;
    const joined = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    return joined;
  }
}
