import type { Protocol } from '../../conformance/case.js';
import { PLAIN, runBody } from '../load/request.js';
import { below, pick, type RandomSource } from '../support/random.js';

/** A request in parts, so that each part can be made wrong. */
export interface RequestParts {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** A plain run of a token, without a framing header. */
export function runParts(protocol: Protocol, token: string, padBytes = 0): RequestParts {
  return {
    method: 'POST',
    target: protocol === 'knative' ? '/' : '/run',
    version: 'HTTP/1.1',
    headers: ['Host: localhost', 'Content-Type: application/json'],
    body: Buffer.from(runBody(token, { ...PLAIN, argumentBytes: padBytes })),
  };
}

export function headOf(
  { method, target, version, headers }: RequestParts,
  ...more: readonly string[]
): Buffer {
  return Buffer.from(
    `${[`${method} ${target} ${version}`, ...headers, ...more].join('\r\n')}\r\n\r\n`,
    'latin1',
  );
}

/** Framed by Content-Length. */
export function withLength(parts: RequestParts, ...more: readonly string[]): Buffer {
  return Buffer.concat([headOf(parts, ...more, `Content-Length: ${parts.body.length}`), parts.body]);
}

export const LAST_CHUNK = Buffer.from('0\r\n\r\n');

export function chunkOf(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

/** The body in chunks of random sizes, without the last chunk that ends it. */
export function chunksOf(random: RandomSource, body: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const size = 1 + below(random, pick(random, [3, 20, 200, 70_000]));
    chunks.push(chunkOf(body.subarray(at, at + size)));
    at += size;
  }
  return chunks;
}

/** The bytes in up to eight pieces, none of which ends within the first line. */
export function piecesOf(random: RandomSource, bytes: Buffer): Buffer[] {
  const first = bytes.indexOf('\r\n') + 2;
  const cuts = Array.from(
    { length: 1 + below(random, 7) },
    () => first + below(random, bytes.length - first),
  );
  const sorted = [0, ...cuts.sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, at) => bytes.subarray(sorted[at], end));
}
