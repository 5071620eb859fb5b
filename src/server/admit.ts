import type { TimeLimit } from '../executor/time-limit.js';
import type { AnswerFailure } from '../protocol/answer.js';
import type { ServerContext } from './server-context.js';

/**
 * Lets an activation in, in its turn: when there is a place, and when no init is under way whose action it
 * waits for (C-INIT-23). Its time runs meanwhile.
 *
 * @returns undefined once it is in, and then the caller ends it by `service.admission.leave()`; else why not
 */
export async function admit(
  context: ServerContext,
  time: TimeLimit | undefined,
): Promise<AnswerFailure | undefined> {
  const entered = context.admission.enter();
  if (entered === 'full') return { code: 'overloaded' };
  if (entered !== 'in') {
    const inTime =
      time === undefined ? await entered.granted.then(() => true) : await time.waitFor(entered.granted);
    // Let in at the very moment its time was up: it goes on, and is ended where it runs.
    if (!inTime && entered.cancel()) return { code: 'run_timeout' };
  }
  const { blockingInit } = context.action;
  if (blockingInit === undefined) return undefined;
  const init = context.pending.wait(
    blockingInit.then(() => 'over' as const),
    () => 'given up' as const,
  );
  const outcome = await (time === undefined ? init : Promise.race([init, time.waitFor(init)]));
  if (outcome === 'over' || outcome === true) return undefined;
  context.admission.leave();
  return { code: outcome === 'given up' ? 'run_shutdown_killed' : 'run_timeout' };
}
