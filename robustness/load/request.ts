import { pick, type RandomSource } from '../support/random.js';

/** How an activation is to end, and the answer that this demands. */
type End = 'result' | 'error' | 'invalid' | 'killed' | 'timeout';

/** What the action is asked to do. */
export interface Work {
  readonly end: End;
  readonly padBytes: number;
  readonly argumentBytes: number;
  readonly sleepMs: number;
  readonly logLines: number;
  readonly leave: boolean;
}

/** The least that an activation can be. */
export const PLAIN: Work = {
  end: 'result',
  padBytes: 0,
  argumentBytes: 0,
  sleepMs: 0,
  logLines: 0,
  leave: false,
};

/** Longer than any time limit that the tools set. */
const HANG_MS = 600_000;

/** The body of a run. */
export function runBody(token: string, work: Work, more: Readonly<Record<string, unknown>> = {}): string {
  const sleepMs = work.end === 'timeout' ? HANG_MS : work.sleepMs;
  return JSON.stringify({
    value: {
      token,
      ...(work.end === 'result' || work.end === 'timeout' ? {} : { end: work.end }),
      ...(work.padBytes === 0 ? {} : { padBytes: work.padBytes }),
      ...(sleepMs === 0 ? {} : { sleepMs }),
      ...(work.logLines === 0 ? {} : { logLines: work.logLines }),
      ...(work.leave ? { leave: 1 } : {}),
      ...(work.argumentBytes === 0 ? {} : { ballast: 'b'.repeat(work.argumentBytes) }),
      ...more,
    },
  });
}

const SIZES = [0, 0, 0, 10, 1000, 5000, 70_000, 200_000] as const;

/** Work of all sorts: sizes, logs, sleeps, errors, rarely the expensive ends. */
export function mixedWork(random: RandomSource): Work {
  const rare = random();
  const end: End =
    rare < 0.9
      ? 'result'
      : rare < 0.95
        ? 'error'
        : rare < 0.985
          ? 'invalid'
          : rare < 0.998
            ? 'killed'
            : 'timeout';
  return {
    end,
    padBytes: pick(random, SIZES),
    argumentBytes: pick(random, SIZES),
    sleepMs: random() < 0.1 ? Math.floor(random() * 50) : 0,
    logLines: random() < 0.1 ? Math.floor(random() * 200) : 0,
    leave: random() < 0.02,
  };
}

/** Work that a bare server can do too, with small sleeps so that activations overlap. */
export function quickWork(random: RandomSource): Work {
  const sleepMs = random() < 0.3 ? Math.floor(random() * 20) : 0;
  return { ...PLAIN, sleepMs, padBytes: pick(random, [0, 0, 100, 3000]) };
}
