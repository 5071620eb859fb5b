import type { WorkerPool } from '../threads/worker-pool.js';

const SELF_TEST_LOOK_MS = 500;

/** Is called with the outcome. */
interface SelfTestObserver {
  /** Once: activations are started by another engine. */
  failed(reason: string): void;
  /** A later test has passed. */
  passedAfterAll(): void;
}

/**
 * Waits for the outcome of the fork server's self-test, which is made when the engine is first needed: after the start of the
 * server. One that failed is made again.
 */
export function watchSelfTest(pool: WorkerPool, observer: SelfTestObserver): void {
  let hasFailed = false;
  const timer = setInterval(() => {
    const reason = pool.selfTest?.reason;
    if (reason === undefined) return;
    if (reason === '') {
      clearInterval(timer);
      if (hasFailed) observer.passedAfterAll();
    } else if (!hasFailed) {
      hasFailed = true;
      observer.failed(reason);
    }
  }, SELF_TEST_LOOK_MS).unref();
}
