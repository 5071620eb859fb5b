import type { IncomingMessage } from 'node:http';

/** What a request asks for. */
export interface Target {
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

/** What is wrong with a request's Host header: HTTP/1.1 has exactly one (RFC 9112, section 3.2); undefined if nothing. */
export function hostProblem({ rawHeaders, httpVersion }: IncomingMessage): string | undefined {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === 'host') hosts++;
  }
  if (hosts > 1) return 'it has more than one Host header';
  return hosts === 0 && httpVersion !== '1.0' ? 'it has no Host header' : undefined;
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
