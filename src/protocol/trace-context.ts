/** The trace that a request belongs to (W3C Trace Context), checked. */
export interface TraceContext {
  /** As it came: trace, the caller's span, flags. */
  readonly traceparent: string;
  /** What tracing systems on the way have noted, as a header's text; absent where nobody has. */
  readonly tracestate?: string;
}

/** `version-traceid-parentid-flags`; a later version may go on after another dash (W3C Trace Context, 3.2). */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;

/** `key=value`, perhaps `tenant@system=value` (3.3.1.3); no value ends in a blank. */
const MEMBER =
  /^[a-z0-9][a-z0-9_\-*/]{0,255}(?:@[a-z0-9][a-z0-9_\-*/]{0,13})?=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/;
const MAX_MEMBERS = 32;
/** So much has to be passed on; beyond it members go, those over 128 characters first (3.3.1.5). */
const MIN_FORWARDED_CHARACTERS = 512;
const LARGE_MEMBER_CHARACTERS = 128;

/**
 * The trace context of a request, where its header `traceparent` is one (W3C Trace Context, 3.2.2); undefined
 * otherwise: a broken one is as good as none, its `tracestate` included, and nothing is invented.
 */
export function parseTraceContext(
  traceparent: string | undefined,
  tracestate: string | undefined,
): TraceContext | undefined {
  if (traceparent === undefined || !isTraceparent(traceparent)) return undefined;
  const state = tracestate === undefined ? undefined : parseTracestate(tracestate);
  return state === undefined ? { traceparent } : { traceparent, tracestate: state };
}

/** The trace id in a checked traceparent. */
export function traceIdOf({ traceparent }: TraceContext): string {
  return traceparent.slice(3, 35);
}

/** The id of the caller's span in a checked traceparent. */
export function parentIdOf({ traceparent }: TraceContext): string {
  return traceparent.slice(36, 52);
}

/** The flags in a checked traceparent. */
export function traceFlagsOf({ traceparent }: TraceContext): number {
  return Number.parseInt(traceparent.slice(53, 55), 16);
}

function isTraceparent(header: string): boolean {
  const match = TRACEPARENT.exec(header);
  if (match === null) return false;
  const [, version, trace, parent, more] = match;
  if (version === 'ff' || (version === '00' && more !== undefined)) return false;
  return !/^0+$/.test(trace as string) && !/^0+$/.test(parent as string);
}

/** The members of the header that are passed on; undefined where there is none, or one of them can't be read. */
function parseTracestate(header: string): string | undefined {
  // Empty members are allowed, and mean nothing.
  const members = header.split(',').map(withoutBlanks).filter(Boolean);
  if (members.length === 0 || members.length > MAX_MEMBERS) return undefined;
  return members.every((member) => MEMBER.test(member)) ? truncate(members) : undefined;
}

function withoutBlanks(member: string): string {
  return member.replace(/^[ \t]+|[ \t]+$/g, '');
}

function truncate(members: readonly string[]): string | undefined {
  const kept = [...members];
  while (kept.join(',').length > MIN_FORWARDED_CHARACTERS) {
    const large = kept.findLastIndex(({ length }) => length > LARGE_MEMBER_CHARACTERS);
    kept.splice(large >= 0 ? large : kept.length - 1, 1);
  }
  return kept.length === 0 ? undefined : kept.join(',');
}
