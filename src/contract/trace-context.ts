/** `version-traceid-parentid-flags`; a later version may go on after another dash (W3C Trace Context, 3.2). */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;

/**
 * The traceparent header as it came, where it is one (W3C Trace Context, section 3.2.2); undefined otherwise:
 * a broken one is as good as none, and nothing is invented.
 */
export function traceparentIn(header: string | undefined): string | undefined {
  const match = header === undefined ? null : TRACEPARENT.exec(header);
  if (match === null) return undefined;
  const [, version, trace, parent, more] = match;
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  return /^0+$/.test(trace as string) || /^0+$/.test(parent as string) ? undefined : header;
}

/** The trace id in a checked traceparent. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}

/** The id of the caller's span in a checked traceparent. */
export function parentIdOf(traceparent: string): string {
  return traceparent.slice(36, 52);
}

/** The flags in a checked traceparent. */
export function traceFlagsOf(traceparent: string): number {
  return Number.parseInt(traceparent.slice(53, 55), 16);
}
