import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { closedLoop } from '../load/closed.js';
import { totalErrors } from '../load/exchange.js';
import { openLoop } from '../load/open.js';
import type { StallTask } from '../load/stalling-server.js';
import type { BenchReport } from '../report/schema.js';

const STALL: StallTask = { stallMs: 300, everyMs: 1000 };
const RATE_PER_SECOND = 200;
const CONNECTIONS = 128;
const EXCHANGE = { body: '{}', check: (answer: string) => answer === '{}' };

/**
 * Measures a server that stands still on purpose, both ways: by a closed loop on one connection, which sends
 * nothing during a stall and so meets each only once among thousands of answers, and from when requests were
 * due at a fixed rate.
 *
 * @param seconds of each of the two
 * @throws Error when the server did not answer as it must
 */
export async function proveOmission(
  seconds: number,
  signal?: AbortSignal,
): Promise<NonNullable<BenchReport['omissionProof']>> {
  const server = new Worker(new URL('../load/stalling-server.js', import.meta.url), { workerData: STALL });
  try {
    const [port] = (await once(server, 'message')) as [number];
    const common = {
      endpoint: { host: '127.0.0.1', port, path: '/run' },
      seconds,
      source: { constant: true, next: () => EXCHANGE },
      ...(signal === undefined ? {} : { signal }),
    };
    const naive = await closedLoop({ ...common, connections: 1 });
    const open = { ...common, connections: CONNECTIONS, ratePerSecond: RATE_PER_SECOND, drainSeconds: 5 };
    const fromDue = await openLoop(open);
    if (naive.latency === undefined || fromDue.latency === undefined) throw new Error('no answers');
    if (totalErrors(naive.errors) + totalErrors(fromDue.errors) > 0) {
      throw new Error(`wrong answers: ${naive.example ?? fromDue.example ?? 'none to show'}`);
    }
    return {
      ...STALL,
      ratePerSecond: RATE_PER_SECOND,
      naive: naive.latency,
      fromDue: fromDue.latency,
    };
  } finally {
    await server.terminate();
  }
}
