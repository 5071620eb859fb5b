import type { IncomingMessage } from 'node:http';
import type { Failure } from '../../protocol/errors.js';

/** What a request asks for. */
interface Target {
  readonly path: string;
  /** Behind the `?`; empty if there is none. */
  readonly query: string;
}

/** Scheme and authority of an absolute target. */
const AUTHORITY = /^https?:\/\/[^/?#]+/i;

/**
 * Reads the target of a request line: a path, or an absolute address, which proxies are sent (RFC 9112, section 3.2).
 *
 * @returns undefined if it is neither
 */
export function targetOf(url: string): Target | undefined {
  const path = url.startsWith('/') ? url : pathOfAbsolute(url);
  if (path === undefined) return undefined;
  const at = path.indexOf('?');
  return at < 0 ? { path, query: '' } : { path: path.slice(0, at), query: utf8(path.slice(at + 1)) };
}

function pathOfAbsolute(url: string): string | undefined {
  const authority = AUTHORITY.exec(url)?.[0];
  if (authority === undefined) return undefined;
  const rest = url.slice(authority.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** What is wrong with the head of a request that llhttp lets pass; undefined if nothing. */
export function headProblem({ rawHeaders, httpVersion }: IncomingMessage): Failure | undefined {
  if (httpVersion === '0.9') return malformed('its first line has no version');
  if (!VERSIONS.has(httpVersion)) return { code: 'http_version' };
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase();
    if (name === 'host') hosts++;
    // llhttp takes an empty one for none, and the codings before `chunked` for somebody else's (RFC 9112, section 6.1).
    else if (name === 'transfer-encoding' && rawHeaders[at + 1]?.trim().toLowerCase() !== 'chunked')
      return malformed('its transfer coding is another than chunked');
  }
  // RFC 9112, section 3.2.
  if (hosts > 1) return malformed('it has more than one Host header');
  return hosts === 0 && httpVersion !== '1.0' ? malformed('it has no Host header') : undefined;
}

const VERSIONS = new Set(['1.0', '1.1']);

function malformed(detail: string): Failure {
  return { code: 'malformed_request', detail };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the characters of one byte are what is looked for
const ASCII = /^[\x00-\x7f]*$/;

/** Bytes that Node has read as Latin-1, as the UTF-8 that they are. */
export function utf8(latin1: string): string {
  return ASCII.test(latin1) ? latin1 : Buffer.from(latin1, 'latin1').toString('utf8');
}

/** Text as characters of one byte each, which Node writes as they are: the bytes are UTF-8 then. */
export function latin1(text: string): string {
  return ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}
