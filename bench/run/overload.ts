import { totalErrors } from '../load/exchange.js';
import { summarize } from '../measure/statistics.js';
import type { BenchCell, BenchLoad, BenchRound } from '../report/schema.js';
import type { CellBuilder } from './cells.js';
import type { Member } from './member.js';
import { searchRate } from './search.js';
import type { Session } from './session.js';

/** How an overload's answers are told apart; all other errors are wrong answers in it too. */
const REFUSED = 'status 429';
const LOST = 'timeout';
/** What the capacity holds. */
const P99_LIMIT_US = 100_000;

type OverloadSummary = NonNullable<NonNullable<BenchCell['summary']>['overload']>;

/**
 * The rate of which an overload is a multiple.
 *
 * @throws Error when none holds
 */
export async function capacityOf(session: Session, member: Member): Promise<number> {
  const found = await searchRate(session, member, { p99LimitUs: P99_LIMIT_US, previous: undefined });
  if (found.ratePerSecond <= 0) throw new Error(`no rate held under ${P99_LIMIT_US / 1000} ms at p99`);
  return found.ratePerSecond;
}

/** The load with its rate, where it is a multiple of the capacity. */
export function timesCapacity(load: BenchLoad, capacity: number): BenchLoad {
  if (load.kind !== 'open' || load.factor === undefined) return load;
  return { ...load, ratePerSecond: Math.max(1, Math.round(capacity * load.factor)) };
}

/** What the load is expected to bring and does not fail it. */
export function toleratedErrors(load: BenchLoad): readonly string[] {
  return isMultiple(load) ? [REFUSED, LOST] : [];
}

/** What became of the requests of an overload; undefined for other loads. */
export function overloadSummary(
  rounds: readonly BenchRound[],
  load: BenchLoad,
  calm: readonly BenchRound[],
): OverloadSummary | undefined {
  if (!isMultiple(load)) return undefined;
  const growth = rounds.flatMap((round, index) => {
    const [over, without] = [round.latency?.p99Us, calm[index]?.latency?.p99Us];
    return over === undefined || without === undefined ? [] : [over / without];
  });
  return {
    refusedShare: summarize(rounds.map(refusedShare)),
    lost: summarize(rounds.map(({ errors }) => errors[LOST] ?? 0)),
    ...(growth.length === 0 ? {} : { p99OverCalm: summarize(growth) }),
  };
}

function refusedShare({ requests, errors }: BenchRound): number {
  return (errors[REFUSED] ?? 0) / Math.max(1, requests + totalErrors(errors));
}

/** Holds each multiple against the first one, which is below the capacity. */
export function relateToCalm([calm, ...others]: readonly CellBuilder[]): void {
  if (calm === undefined || !isMultiple(calm.load) || calm.hasFailed) return;
  for (const cell of others) cell.calm = calm.rounds;
}

function isMultiple(load: BenchLoad): boolean {
  return load.kind === 'open' && load.factor !== undefined;
}
