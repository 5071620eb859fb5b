import { STATUS_CODES } from 'node:http';
import type { Failure } from '../../protocol/errors.js';
import type { Answer, CutReason } from '../exchange.js';
import { MAX_HEAD_BYTES } from '../front-end.js';

/** Why the bytes on a connection are refused. */
interface Refusal {
  readonly failure: Failure;
  /** What it is to a request whose body was to come. */
  readonly reason: CutReason;
}

/** Errors of llhttp (llhttp.h, HTTP_ERRNO_MAP) and of node:http that have an answer of their own. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    failure: { code: 'head_too_large', detail: String(MAX_HEAD_BYTES) },
    reason: 'malformed',
  },
  HPE_INVALID_VERSION: { failure: { code: 'http_version' }, reason: 'malformed' },
  ERR_HTTP_REQUEST_TIMEOUT: { failure: { code: 'request_timeout' }, reason: 'stalled' },
};
/** The client has gone amid a request: nobody is left to answer (C-SRV-12). */
const GONE = 'HPE_INVALID_EOF_STATE';

/** What to answer after an error of the parser; undefined if it is one of the connection itself. */
export function refusalOf(error: NodeJS.ErrnoException): Refusal | undefined {
  const { code = '', reason } = error as NodeJS.ErrnoException & { readonly reason?: string };
  const known = REFUSALS[code];
  if (known !== undefined) return known;
  if (!code.startsWith('HPE_') || code === GONE) return undefined;
  const detail = reason ?? error.message;
  return { failure: { code: 'malformed_request', detail }, reason: 'malformed' };
}

/** An answer as bytes, for a connection on which nothing was a request. */
export function bytesOf({ status, type = 'text/plain', headers = [], body = '' }: Answer): string {
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}`,
    `Date: ${new Date().toUTCString()}`,
    `Content-Type: ${type}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${typeof body === 'string' ? body : Buffer.from(body).toString('utf8')}`;
}
