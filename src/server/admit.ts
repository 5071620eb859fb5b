import type { AnswerFailure } from '../pool/messages.js';
import type { Service } from './service.js';
import type { TimeLimit } from './time-limit.js';

/**
 * Lets an activation in, in its turn: when there is a place, and when no init is under way whose action it
 * waits for (D-05). Its time runs meanwhile.
 *
 * @returns undefined once it is in, and then the caller ends it by `service.admission.leave()`; else why not
 */
export async function admit(
  service: Service,
  time: TimeLimit | undefined,
): Promise<AnswerFailure | undefined> {
  const entered = service.admission.enter();
  if (entered === 'full') return { code: 'overloaded' };
  if (entered !== 'in') {
    const inTime =
      time === undefined ? await entered.granted.then(() => true) : await time.waitFor(entered.granted);
    // Let in at the very moment its time was up: it goes on, and is ended where it runs.
    if (!inTime && entered.abandon()) return { code: 'run_timeout' };
  }
  const { blocking } = service.action;
  if (blocking === undefined) return undefined;
  const init = service.pending.of(
    blocking.then(() => 'over' as const),
    () => 'given up' as const,
  );
  const outcome = await (time === undefined ? init : Promise.race([init, time.waitFor(init)]));
  if (outcome === 'over' || outcome === true) return undefined;
  service.admission.leave();
  return { code: outcome === 'given up' ? 'run_shutdown_killed' : 'run_timeout' };
}
