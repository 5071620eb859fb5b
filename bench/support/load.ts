import { closedLoop as load } from '../load/closed.js';
import { totalErrors } from '../load/exchange.js';

/** What a closed loop of requests saw. */
export interface LoadReport {
  readonly connections: number;
  readonly answers: number;
  readonly ratePerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** POSTs /run from kept connections, each again as soon as it has its answer. */
export interface LoadOptions {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** The very text that each answer must have. */
  readonly expected: string;
}

/**
 * Loads the server.
 *
 * @throws Error when a single answer is not the expected 200
 */
export async function closedLoop({ port, connections, seconds, expected }: LoadOptions): Promise<LoadReport> {
  const exchange = { body: '{"value":{"name":"Ada"}}', check: (answer: string) => answer === expected };
  const { answers, ratePerSecond, latency, errors } = await load({
    endpoint: { host: '127.0.0.1', port, path: '/run' },
    connections,
    seconds,
    source: { constant: true, next: () => exchange },
  });
  if (totalErrors(errors) > 0 || latency === undefined) {
    throw new Error(`wrong answers: ${JSON.stringify(errors)}`);
  }
  return { connections, answers, ratePerSecond, p50Us: latency.p50Us, p99Us: latency.p99Us };
}
