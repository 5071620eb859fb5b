import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConformanceCase } from './case.js';
import { Skip, Violation } from './check.js';
import { missingNeed } from './needs.js';
import type { CaseResult } from './report/result.js';
import { CaseContext, SerialCases, type Target } from './target/serial-cases.js';

// Enough to keep two cores busy; more would let the cases that measure time disturb each other.
const CONCURRENCY = 2;
/** When so many cases in a row have not ended in time, the server hangs, and the rest would take hours to say the same. */
const MAX_LATE_CASES = 4;

/** How a run goes. */
interface RunOptions {
  readonly target: Target;
  readonly timeoutMs: number;
  /** Told of each case as it ends. */
  readonly onResult?: (result: CaseResult) => void;
}

/** Runs the cases and resolves with their results, in the order of the cases. Nothing that a case does rejects it. */
export async function runCases(
  cases: readonly ConformanceCase[],
  options: RunOptions,
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  let next = 0;
  let late = 0;
  const series = async (): Promise<void> => {
    const own = new SerialCases(options.target);
    try {
      for (let at = next++; at < cases.length; at = next++) {
        const one = cases[at] as ConformanceCase;
        const { isLate, ...result } =
          late < MAX_LATE_CASES ? await runCase(one, own, options) : failedUntried(one);
        if (isLate) late++;
        else if (late < MAX_LATE_CASES && result.result !== 'skipped') late = 0;
        results[at] = result;
        options.onResult?.(result);
      }
    } finally {
      await own.end();
    }
  };
  // One server that is shared by all takes one case at a time.
  const count = options.target.command === undefined ? 1 : CONCURRENCY;
  await Promise.all(Array.from({ length: count }, series));
  return results;
}

/** The result of a case, and whether it was the time limit that ended it. */
type Ended = CaseResult & { readonly isLate: boolean };

function failedUntried({ rule, title, protocol, kind }: ConformanceCase): Ended {
  const reason = `not tried: ${MAX_LATE_CASES} cases in a row did not end in time`;
  return { rule, title, protocol, kind, result: 'failed', reason, durationMs: 0, isLate: false };
}

async function runCase(one: ConformanceCase, series: SerialCases, options: RunOptions): Promise<Ended> {
  const { rule, title, protocol, kind } = one;
  const began = performance.now();
  const finish = (result: CaseResult['result'], reason?: string, isLate = false): Ended => ({
    ...{ rule, title, protocol, kind, result },
    ...(reason === undefined ? {} : { reason }),
    durationMs: Math.round(performance.now() - began),
    isLate,
  });
  const missing = missingNeed(one, options.target);
  if (missing !== undefined) return finish('skipped', `needs ${missing}`);

  const scratch = mkdtempSync(join(tmpdir(), 'conformance-case-'));
  const context = new CaseContext(series, scratch, one.needs.includes('action'));
  try {
    await within(options.timeoutMs, one.run(context));
    return finish('passed');
  } catch (error) {
    if (error instanceof Skip) return finish('skipped', error.message);
    // Whatever state the case left it in, the next one starts with another.
    await series.end();
    return finish('failed', messageOf(error), error instanceof Late);
  } finally {
    await context.end();
    rmSync(scratch, { recursive: true, force: true });
  }
}

class Late extends Violation {}

async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const complain = (): void =>
      reject(new Late(`the case: expected its end, got none in ${milliseconds} ms`));
    timer = setTimeout(complain, milliseconds);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function messageOf(error: unknown): string {
  if (error instanceof Violation) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
