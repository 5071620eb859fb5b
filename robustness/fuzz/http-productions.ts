import type { Protocol } from '../../conformance/case.js';
import type { MayRun } from '../check/token-ledger.js';
import { below, bytesOf, pick, type RandomSource } from '../support/random.js';
import type { HttpCase, Step } from './http-case.js';
import {
  chunkOf,
  chunksOf,
  headOf,
  LAST_CHUNK,
  piecesOf,
  type RequestParts,
  runParts,
  withLength,
} from './http-requests.js';

/** What a production makes a case of. */
interface Ingredients {
  readonly random: RandomSource;
  readonly protocol: Protocol;
  /** A new token, with how often its request may be run. */
  issue(mayRun: MayRun): string;
}

type Production = (ingredients: Ingredients) => Omit<HttpCase, 'name'>;

const send = (...pieces: readonly (Buffer | string)[]): Step[] =>
  pieces.map((piece) => ({ send: typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece }));
const CHUNKED = 'Transfer-Encoding: chunked';
/** The line break behind the last chunk's size line, with which alone a body is complete (RFC 9112, section 8). */
const AFTER_LAST_SIZE_BYTES = 2;
const MAX_SENDS = 12;
const SIZES = [0, 0, 0, 100, 5000, 100_000] as const;

/** A request of which something is wrong, whole, of one token that may be run once. */
function odd(
  { protocol, issue }: Ingredients,
  bytes: (parts: RequestParts) => Buffer,
  mayRun: MayRun = 'once',
): Omit<HttpCase, 'name'> {
  const token = issue(mayRun);
  const steps = send(bytes(runParts(protocol, token)));
  return { steps, tokens: [{ token, mayRun }], isWhole: true, maxRequests: 1 };
}

function oddHead(ingredients: Ingredients, ...headers: readonly string[]): Omit<HttpCase, 'name'> {
  return odd(ingredients, (parts) => withLength(parts, ...headers));
}

/** A request that never comes whole; what is left out is decided by how it ends. */
function cut(ingredients: Ingredients, begun: (parts: RequestParts) => Buffer[]): Omit<HttpCase, 'name'> {
  const { random, protocol, issue } = ingredients;
  const token = issue('run-though-incomplete');
  const pieces = begun(runParts(protocol, token, pick(random, SIZES)));
  const pauseMs = pick(random, [0, 0, 5, 50, 300]);
  const end = pick(random, ['half', 'close', 'reset'] as const);
  const steps: Step[] = [...send(...pieces), { pauseMs }, { end }];
  return { steps, tokens: [{ token, mayRun: 'run-though-incomplete' }], isWhole: false, maxRequests: 1 };
}

function whole(ingredients: Ingredients, make: (parts: RequestParts) => Buffer[]): Omit<HttpCase, 'name'> {
  const { random, protocol, issue } = ingredients;
  const token = issue('once');
  const pauseMs = pick(random, [0, 0, 1, 20]);
  const pieces = make(runParts(protocol, token, pick(random, SIZES)));
  // Many small pieces are sent together: what counts is that they are not sent all at once.
  const atOnce = Math.ceil(pieces.length / MAX_SENDS);
  const steps: Step[] = [];
  for (let at = 0; at < pieces.length; at += atOnce) {
    steps.push({ send: Buffer.concat(pieces.slice(at, at + atOnce)) });
    if (pauseMs > 0) steps.push({ pauseMs });
  }
  return {
    steps,
    tokens: [{ token, mayRun: 'once' }],
    isWhole: true,
    maxRequests: 1,
    demand: { status: [200] },
  };
}

const LENGTHS = [
  '-1',
  '+20',
  '0x10',
  '1e3',
  '20, 20',
  '20 20',
  '',
  '99999999999999999999',
  '4294967296',
  '18446744073709551616',
  ' 5',
  '5 ',
] as const;
const ENCODINGS = [
  'xchunked',
  'chunked, identity',
  'identity, chunked',
  'gzip, chunked',
  ' chunked',
  '\tchunked',
  'chunKED',
  'chunked\x0b',
  '"chunked"',
  'identity',
  '',
] as const;
const CHUNK_SIZES = [
  'ffffffffffffffff',
  '-1',
  '0x5',
  '80000000',
  '100000000',
  'g',
  ' 5',
  '5 ',
  '5;a=b',
  '',
  '+5',
  '7fffffff',
  '00000000000000005',
] as const;
/** A size that a chunk may have, and that has not come. */
const LARGE_CHUNK = /^[0-9a-f]{8,16}$/;
const FIELDS = [
  'X: a\0b',
  'X: a\rb',
  'X: a\nb',
  'Xyz',
  'X : y',
  'X: y\r\n z',
  '\xffX: y',
  ': y',
  'X:',
  ' X: y',
  'X;: y',
  'Host: other',
  'Connection: close',
  'Connection: keep-alive, upgrade',
  'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13',
  'Expect: 100-continue',
  'Expect: something',
  'Traceparent: 00-00000000000000000000000000000000-0000000000000000-00',
  'Content-Encoding: gzip',
  'Origin: null',
] as const;
const VERSIONS = [
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/0.9',
  'HTTP/1.10',
  'http/1.1',
  'HTTP/1.1 ',
  'HTTP/11',
  'HTTP/1.',
  '',
  'HTTP/1.1\x00',
] as const;
const METHODS = [
  'GET',
  'PUT',
  'DELETE',
  'PATCH',
  'post',
  'POS',
  'POSTT',
  'TRACE',
  'CONNECT',
  'OPTIONS',
  'P\0ST',
  'PRI',
  '',
  'M'.repeat(3000),
] as const;
const TARGETS = [
  '/run/',
  '//run',
  '/RUN',
  '/run%20',
  '/%72un',
  '/run#x',
  '*',
  'run',
  '/run\0',
  '/run/../run',
  `/${'a'.repeat(9000)}`,
  '/\xff',
  '/healthz',
  '/readyz',
  '/metrics',
  '/_hyperskeleton/healthz',
  '/favicon.ico',
] as const;
const PAGES = ['/healthz', '/readyz', '/metrics', '/', '/run', '/init', '/_hyperskeleton/readyz'] as const;

/** Every production: what is sent, and how often its tokens may be run. */
export const PRODUCTIONS: Readonly<Record<string, Production>> = {
  length: (all) => whole(all, (parts) => [withLength(parts)]),
  pieces: (all) => whole(all, (parts) => piecesOf(all.random, withLength(parts))),
  chunked: (all) =>
    whole(all, (parts) => [headOf(parts, CHUNKED), ...chunksOf(all.random, parts.body), LAST_CHUNK]),
  'chunked-pieces': (all) =>
    whole(all, (parts) =>
      piecesOf(
        all.random,
        Buffer.concat([headOf(parts, CHUNKED), ...chunksOf(all.random, parts.body), LAST_CHUNK]),
      ),
    ),

  'cut-anywhere': (all) =>
    cut(all, (parts) => {
      const bytes = withLength(parts);
      return [bytes.subarray(0, below(all.random, bytes.length))];
    }),
  'cut-after-json': (all) =>
    cut(all, (parts) => [
      headOf(parts, `Content-Length: ${parts.body.length + 1 + below(all.random, 300_000)}`),
      parts.body,
    ]),
  'cut-chunks': (all) =>
    cut(all, (parts) => {
      const bytes = Buffer.concat([...chunksOf(all.random, parts.body), LAST_CHUNK]);
      const longest = bytes.length - AFTER_LAST_SIZE_BYTES - 1;
      return [headOf(parts, CHUNKED), bytes.subarray(0, below(all.random, longest + 1))];
    }),
  'cut-before-last-chunk': (all) =>
    cut(all, (parts) => [headOf(parts, CHUNKED), ...chunksOf(all.random, parts.body)]),
  'cut-in-next-chunk': (all) =>
    cut(all, (parts) => [
      headOf(parts, CHUNKED),
      chunkOf(parts.body),
      chunkOf(Buffer.from(' ')).subarray(0, 1 + below(all.random, 4)),
    ]),

  'left-after-request': ({ random, protocol, issue }) => {
    const token = issue('once');
    const steps: Step[] = [
      ...send(withLength(runParts(protocol, token))),
      { pauseMs: below(random, 5) },
      { end: pick(random, ['close', 'reset'] as const) },
    ];
    return { steps, tokens: [{ token, mayRun: 'once' }], isWhole: false, maxRequests: 1 };
  },
  'half-close': ({ protocol, issue }) => {
    const token = issue('once');
    const steps: Step[] = [...send(withLength(runParts(protocol, token))), { end: 'half' }];
    return { steps, tokens: [{ token, mayRun: 'once' }], isWhole: true, maxRequests: 1 };
  },
  pipelined: ({ random, protocol, issue }) => {
    const tokens = Array.from({ length: 2 + below(random, 4) }, () => ({
      token: issue('once'),
      mayRun: 'once' as const,
    }));
    const all = tokens.map(({ token }) => withLength(runParts(protocol, token)));
    const steps = send(Buffer.concat(all));
    return { steps, tokens, isWhole: true, maxRequests: tokens.length };
  },
  'kept-open': ({ random, protocol, issue }) => {
    const token = issue('run-though-incomplete');
    const parts = runParts(protocol, token);
    const steps: Step[] = [
      ...send(headOf(parts, CHUNKED), chunkOf(parts.body)),
      { pauseMs: 200 + below(random, 800) },
    ];
    return { steps, tokens: [{ token, mayRun: 'run-though-incomplete' }], isWhole: false, maxRequests: 1 };
  },
  'announced-only': ({ random, protocol, issue }) => {
    const token = issue('run-though-incomplete');
    const parts = runParts(protocol, token);
    const steps: Step[] = [
      ...send(headOf(parts, `Content-Length: ${pick(random, [1000, 1_000_000, 100_000_000])}`)),
      { pauseMs: below(random, 500) },
      { end: 'close' },
    ];
    return { steps, tokens: [{ token, mayRun: 'run-though-incomplete' }], isWhole: false, maxRequests: 1 };
  },

  method: (all) => odd(all, (parts) => withLength({ ...parts, method: pick(all.random, METHODS) })),
  target: (all) => odd(all, (parts) => withLength({ ...parts, target: pick(all.random, TARGETS) })),
  query: (all) =>
    odd(all, (parts) =>
      withLength({ ...parts, target: `${parts.target}?a=b&${'q'.repeat(below(all.random, 500))}` }),
    ),
  version: (all) => odd(all, (parts) => withLength({ ...parts, version: pick(all.random, VERSIONS) })),
  field: (all) => oddHead(all, pick(all.random, FIELDS)),
  'many-fields': (all) =>
    oddHead(
      all,
      ...Array.from({ length: pick(all.random, [10, 99, 101, 200, 1000]) }, (_, at) => `X${at}: y`),
    ),
  'long-field': (all) =>
    oddHead(all, `X: ${'a'.repeat(pick(all.random, [100, 4000, 9000, 20_000, 200_000]))}`),
  lengths: (all) => {
    const length = pick(all.random, LENGTHS);
    const made = odd(all, (parts) => Buffer.concat([headOf(parts, `Content-Length: ${length}`), parts.body]));
    // Blanks around a number mean nothing, and what is behind the body is another request then, a broken one.
    return { ...made, maxRequests: length.trim() === '5' ? 2 : 1 };
  },
  'two-lengths': (all) =>
    odd(all, (parts) =>
      withLength(parts, `Content-Length: ${pick(all.random, [0, 1, parts.body.length, 9999])}`),
    ),
  encodings: (all) =>
    odd(all, (parts) =>
      Buffer.concat([
        headOf(parts, `Transfer-Encoding: ${pick(all.random, ENCODINGS)}`),
        chunkOf(parts.body),
        LAST_CHUNK,
      ]),
    ),
  'chunk-sizes': (all) => {
    const size = pick(all.random, CHUNK_SIZES);
    const made = odd(all, (parts) =>
      Buffer.concat([
        headOf(parts, CHUNKED),
        Buffer.from(`${size}\r\n`),
        parts.body,
        Buffer.from('\r\n'),
        LAST_CHUNK,
      ]),
    );
    // A chunk of 2 GiB may be on its way.
    return { ...made, isWhole: !LARGE_CHUNK.test(size) };
  },
  'chunk-ends': (all) =>
    odd(all, (parts) =>
      Buffer.concat([
        headOf(parts, CHUNKED),
        chunkOf(parts.body).subarray(0, -2),
        Buffer.from(pick(all.random, ['\n', '', 'xx', '\r'])),
        LAST_CHUNK,
      ]),
    ),
  trailers: (all) =>
    odd(all, (parts) =>
      Buffer.concat([headOf(parts, CHUNKED), chunkOf(parts.body), Buffer.from('0\r\nX: y\r\n\r\n')]),
    ),

  'smuggled-by-length': ({ random, protocol, issue }) =>
    smuggling(protocol, issue, (inner, outer) =>
      Buffer.concat([
        headOf(
          outer,
          `Content-Length: ${LAST_CHUNK.length + inner.length}`,
          pick(random, [
            CHUNKED,
            'Transfer-Encoding : chunked',
            'Transfer-Encoding: xchunked',
            'Transfer_Encoding: chunked',
          ]),
        ),
        LAST_CHUNK,
        inner,
      ]),
    ),
  'smuggled-in-body': ({ random, protocol, issue }) =>
    smuggling(protocol, issue, (inner, outer) =>
      Buffer.concat([
        headOf(outer, `Content-Length: ${inner.length}`),
        inner.subarray(0, 1 + below(random, inner.length)),
        inner,
      ]).subarray(0, headOf(outer, `Content-Length: ${inner.length}`).length + inner.length),
    ),
  'smuggled-by-get': ({ protocol, issue }) =>
    smuggling(protocol, issue, (inner, outer) =>
      Buffer.concat([
        headOf({ ...outer, method: 'GET', target: '/healthz' }, `Content-Length: ${inner.length}`),
        inner,
      ]),
    ),

  pages: ({ random }) => {
    const method = pick(random, ['GET', 'GET', 'OPTIONS', 'HEAD', 'DELETE']);
    const steps = send(`${method} ${pick(random, PAGES)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return { steps, tokens: [], isWhole: true, maxRequests: 1, isHead: method === 'HEAD' };
  },
  init: ({ random, protocol }) => {
    const parts: RequestParts = {
      ...runParts(protocol, 'none'),
      target: '/init',
      body: bytesOf(random, below(random, 3000)),
    };
    return { steps: send(withLength(parts)), tokens: [], isWhole: true, maxRequests: 1 };
  },
  garbage: ({ random }) => {
    const texts = [
      '\r\n\r\n\r\n',
      'GET\r\n\r\n',
      '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\0'.repeat(100),
      ' '.repeat(5000),
    ];
    const steps: Step[] = [
      ...send(random() < 0.5 ? bytesOf(random, below(random, 2000)) : pick(random, texts)),
      { pauseMs: 20 },
      { end: 'close' },
    ];
    return { steps, tokens: [], isWhole: false, maxRequests: 3 };
  },
  mutated: ({ random, protocol, issue }) => {
    const token = issue('once');
    const bytes =
      random() < 0.5
        ? withLength(runParts(protocol, token))
        : Buffer.concat([
            headOf(runParts(protocol, token), CHUNKED),
            ...chunksOf(random, runParts(protocol, token).body),
            LAST_CHUNK,
          ]);
    const steps: Step[] = [...send(mutatedBytes(random, bytes)), { pauseMs: 100 }, { end: 'close' }];
    return { steps, tokens: [{ token, mayRun: 'once' }], isWhole: false, maxRequests: 2 };
  },
};

/** A body that is a request too; only a server that reads lengths wrongly runs it. */
function smuggling(
  protocol: Protocol,
  issue: Ingredients['issue'],
  make: (inner: Buffer, outer: RequestParts) => Buffer,
): Omit<HttpCase, 'name'> {
  const token = issue('smuggled');
  const outer = runParts(protocol, 'none');
  const steps: Step[] = [
    ...send(make(withLength(runParts(protocol, token)), outer)),
    { pauseMs: 30 },
    { end: 'close' },
  ];
  return { steps, tokens: [{ token, mayRun: 'smuggled' }], isWhole: false, maxRequests: 2 };
}

const MAX_SLICE = 40;

/** Flips, inserts, removes and repeats a few bytes; never so many that one request becomes two whole ones. */
export function mutatedBytes(random: RandomSource, bytes: Buffer): Buffer {
  let result = Buffer.from(bytes);
  for (let count = 1 + below(random, 6); count > 0 && result.length > 0; count--) {
    const at = below(random, result.length);
    const slice = result.subarray(at, at + below(random, MAX_SLICE));
    const way = below(random, 4);
    if (way === 0) result[at] = (result[at] as number) ^ (1 << below(random, 8));
    else if (way === 1)
      result = Buffer.concat([
        result.subarray(0, at),
        bytesOf(random, 1 + below(random, 4)),
        result.subarray(at),
      ]);
    else if (way === 2) result = Buffer.concat([result.subarray(0, at), result.subarray(at + slice.length)]);
    else result = Buffer.concat([result.subarray(0, at), slice, result.subarray(at)]);
  }
  return result;
}
