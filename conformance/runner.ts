import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConformanceCase } from './case.js';
import { Skip, Violation } from './check.js';
import { missingNeed } from './needs.js';
import type { CaseResult } from './report/result.js';
import { CaseContext, Lane, type Target } from './target/lane.js';

// Enough to keep two cores busy; more would let the cases that measure time disturb each other.
const LANES = 2;

/** How a run goes. */
export interface RunOptions {
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
  const lane = async (): Promise<void> => {
    const own = new Lane(options.target);
    try {
      for (let at = next++; at < cases.length; at = next++) {
        const result = await runCase(cases[at] as ConformanceCase, own, options);
        results[at] = result;
        options.onResult?.(result);
      }
    } finally {
      await own.end();
    }
  };
  // One server that is shared by all takes one case at a time.
  const lanes = options.target.command === undefined ? 1 : LANES;
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}

async function runCase(one: ConformanceCase, lane: Lane, options: RunOptions): Promise<CaseResult> {
  const { rule, title, protocol, kind } = one;
  const began = performance.now();
  const finish = (result: CaseResult['result'], reason?: string): CaseResult => ({
    ...{ rule, title, protocol, kind, result },
    ...(reason === undefined ? {} : { reason }),
    durationMs: Math.round(performance.now() - began),
  });
  const missing = missingNeed(one, options.target);
  if (missing !== undefined) return finish('skipped', `needs ${missing}`);

  const scratch = mkdtempSync(join(tmpdir(), 'conformance-case-'));
  const context = new CaseContext(lane, scratch, one.needs.includes('action'));
  try {
    await within(options.timeoutMs, one.run(context));
    return finish('passed');
  } catch (error) {
    if (error instanceof Skip) return finish('skipped', error.message);
    // Whatever state the case left it in, the next one starts with another.
    await lane.end();
    return finish('failed', messageOf(error));
  } finally {
    await context.end();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const complain = (): void =>
      reject(new Violation(`the case: expected its end, got none in ${milliseconds} ms`));
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
