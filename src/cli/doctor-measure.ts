import type { ExecEngine } from '../engines/engine.js';
import type { ActionImage } from '../os/action-image.js';

/** What an engine gives. */
export interface EngineRate {
  readonly perSecond: number;
  /** From the start to the end of one run; NaN where none was started. */
  readonly medianMs: number;
  readonly refused: number;
}

const CONCURRENCY = 8;
const ARGUMENT = Buffer.from('{"name":"Ada"}');
const WARM_UP_RUNS = 20;

/** Runs the action for so many seconds, one after the other for the time and several at once for the rate. */
export async function measureRate(
  engine: ExecEngine,
  action: ActionImage,
  seconds: number,
): Promise<EngineRate> {
  let refused = 0;
  const run = async (): Promise<boolean> => {
    const started = await runOnce(engine, action);
    if (!started) refused++;
    return started;
  };
  for (let count = 0; count < WARM_UP_RUNS; count++) await run();
  refused = 0;
  const times: number[] = [];
  const half = (seconds * 1000) / 2;
  for (const end = performance.now() + half; performance.now() < end; ) {
    const begin = performance.now();
    if (await run()) times.push(performance.now() - begin);
  }
  let count = 0;
  const begin = performance.now();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (performance.now() < begin + half) {
        if (await run()) count++;
      }
    }),
  );
  const perSecond = (count * 1000) / (performance.now() - begin);
  return { perSecond, medianMs: times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN, refused };
}

/** @returns whether the engine started it */
async function runOnce(engine: ExecEngine, action: ActionImage): Promise<boolean> {
  let finish: () => void = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const outcome = await engine.start(
    { action, argument: ARGUMENT, variables: [['__OW_ACTIVATION_ID', 'doctor']] },
    { stdout: () => {}, stderr: () => {}, exited: finish, streamsEnded: () => {} },
  );
  if (outcome.kind !== 'started') return false;
  await finished;
  outcome.process.release();
  return true;
}
