import { searchCapacity } from '../load/capacity.js';
import { countError, type ErrorCounts } from '../load/exchange.js';
import { noiseBetween, readTicks, TOLERATED_SHARE } from '../measure/noise.js';
import type { Member } from './member.js';
import { OPEN_CONNECTIONS, SEARCH_STEPS, trialSeconds } from './plan.js';
import type { Outcome } from './round.js';
import type { Session } from './session.js';

const FIRST_LOOK_CONNECTIONS = 32;
/** What says "too much" and not "wrong". */
const OVERLOADED = ['timeout', 'status 429', 'connection'];
/** Answers to fewer requests than due, though all came in time, mean that the sender was held up. */
const MIN_SENT_SHARE = 0.98;

/**
 * Searches the highest rate at which the p99, from when each request was due, stays under the limit and every
 * answer is right.
 *
 * @param how.previous what an earlier search found: the place to begin at
 * @returns the found rate as `ratePerSecond` (0 when none held), the latencies of the last trial that held;
 *   `requests` and `activations` are of all trials
 */
export async function searchRate(
  session: Session,
  member: Member,
  how: { readonly p99LimitUs: number; readonly previous: number | undefined },
): Promise<Outcome> {
  const seconds = trialSeconds(session.plan);
  let best: Outcome | undefined;
  let activations = 0;
  let spent = 0;
  const errors: ErrorCounts = {};
  let example: string | undefined;
  const tryOnce = async (ratePerSecond: number): Promise<boolean> => {
    const load = { kind: 'open', connections: OPEN_CONNECTIONS, ratePerSecond } as const;
    const outcome = await member.apply(load, seconds);
    spent += outcome.seconds;
    activations += outcome.activations;
    let wrong = 0;
    for (const [kind, count] of Object.entries(outcome.errors)) {
      wrong += count;
      if (!OVERLOADED.includes(kind)) countError(errors, kind, count);
    }
    if (Object.keys(errors).length > 0) example ??= outcome.example;
    const p99Us = outcome.latency?.p99Us ?? Number.POSITIVE_INFINITY;
    const sent = outcome.ratePerSecond >= MIN_SENT_SHARE * ratePerSecond || outcome.requests < 50;
    const holds = wrong === 0 && p99Us < how.p99LimitUs && sent;
    if (holds) best = { ...outcome, ratePerSecond };
    await member.settle();
    return holds;
  };
  const tryRate = async (ratePerSecond: number): Promise<boolean> => {
    const before = readTicks(session.pids);
    if (await tryOnce(ratePerSecond)) return true;
    // A neighbour's moment must not decide where the search goes on.
    const { othersShare } = noiseBetween(before, readTicks(session.pids));
    if (othersShare <= TOLERATED_SHARE || !session.mayRepeat(seconds * 1000)) return false;
    return tryOnce(ratePerSecond);
  };
  let high = how.previous ?? 0;
  if (high <= 0) {
    const look = await member.apply({ kind: 'closed', connections: FIRST_LOOK_CONNECTIONS }, seconds);
    await member.settle();
    activations += look.activations;
    high = Math.max(1, look.ratePerSecond);
  }
  const ratePerSecond = await searchCapacity({ low: 0, high, steps: SEARCH_STEPS }, tryRate);
  return {
    ...best,
    seconds: spent,
    ratePerSecond,
    requests: best?.requests ?? 0,
    activations,
    errors,
    example,
  };
}
