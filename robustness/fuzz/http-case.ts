import type { MayRun } from '../check/token-ledger.js';

/** One thing that an attacking client does on its connection. */
export type Step =
  | { readonly send: Buffer }
  | { readonly pauseMs: number }
  /** `half` closes the sending side, `close` both, `reset` with a TCP reset. */
  | { readonly end: 'half' | 'close' | 'reset' };

/** A token of a case, and how often its request may be run. */
interface CaseToken {
  readonly token: string;
  readonly mayRun: MayRun;
}

/** What the answer to the only request of a case must be. */
export interface Demand {
  readonly status: readonly number[];
  /** The value that the body must be as JSON; undefined if any will do. */
  readonly value?: unknown;
}

/** All that is sent on one connection, and what must come of it. */
export interface HttpCase {
  /** Which production made it. */
  readonly name: string;
  readonly steps: readonly Step[];
  readonly tokens: readonly CaseToken[];
  /** Whether all that was begun has been sent whole: then it must be answered, or its connection closed, soon. */
  readonly isWhole: boolean;
  /** How many requests the server may take this for, at most. */
  readonly maxRequests: number;
  /** Whether answers have no body, as those to HEAD. */
  readonly isHead?: boolean;
  readonly demand?: Demand;
}

type StoredStep = { send: string } | { pauseMs: number } | { end: 'half' | 'close' | 'reset' };

/** A case as JSON; bytes are in base64. */
export function storedCase(one: HttpCase): unknown {
  const steps = one.steps.map(
    (step): StoredStep => ('send' in step ? { send: step.send.toString('base64') } : step),
  );
  return { ...one, steps };
}

/**
 * Reads a stored case. Its tokens are those of another run: each is replaced by a new one, which is as long.
 *
 * @param issue makes a token
 */
export function restoredCase(stored: unknown, issue: (mayRun: MayRun) => string): HttpCase {
  const one = stored as Omit<HttpCase, 'steps'> & { steps: StoredStep[] };
  const tokens = one.tokens.map(({ token, mayRun }) => ({
    old: token,
    token: issue(mayRun),
    mayRun,
  }));
  const steps = one.steps.map((step): Step => {
    if (!('send' in step)) return step;
    let bytes = Buffer.from(step.send, 'base64').toString('latin1');
    for (const { old, token } of tokens) bytes = bytes.replaceAll(old, token);
    return { send: Buffer.from(bytes, 'latin1') };
  });
  return { ...one, steps, tokens: tokens.map(({ token, mayRun }) => ({ token, mayRun })) };
}
