import { isIP } from 'node:net';

/** What of a request's head says which web page it comes from; each is undefined if the header is missing. */
interface RequestOrigin {
  readonly origin: string | undefined;
  readonly secFetchSite: string | undefined;
  readonly host: string | undefined;
}

/**
 * Whether a request may run code: web pages of other origins may not. A browser sends a "simple" POST to any address that
 * it can reach, the loopback interface too, without asking first (Fetch, section 3.2), and marks it with `Origin`
 * (RFC 6454, section 7) and, for trustworthy addresses, `Sec-Fetch-Site` (W3C Fetch Metadata). Callers that are no
 * browsers send neither.
 */
export class OriginCheck {
  readonly #allowed: ReadonlySet<string>;

  /** @param allowed serialised origins that may, besides the server's own; `*` is every one */
  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed);
  }

  allows({ origin, secFetchSite, host }: RequestOrigin): boolean {
    if (origin === undefined && secFetchSite === undefined) return true;
    if (this.#allowed.has('*')) return true;
    if (origin !== undefined && this.#allowed.has(origin)) return true;
    // `same-site` too: another port of this machine is another origin of the same site.
    if (secFetchSite === 'cross-site' || secFetchSite === 'same-site') return false;
    return origin === undefined || isOwn(origin, host);
  }
}

/**
 * Whether an origin is the server's own: that of the address in `Host`. A name with a dot in it counts for nothing, for
 * anybody can own one and have it lead here (DNS rebinding): such a page has to be allowed by name.
 */
function isOwn(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const page = new URL(origin);
  const address = `${page.protocol}//${host}`;
  if (!/^https?:$/.test(page.protocol) || !URL.canParse(address)) return false;
  return new URL(address).origin === page.origin && isLocalName(page.hostname);
}

function isLocalName(hostname: string): boolean {
  return (
    isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 || !hostname.includes('.') || hostname.endsWith('.localhost')
  );
}
