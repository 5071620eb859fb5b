import autocannon from 'autocannon';
import { percentile } from './statistics.js';

/** Left out at a round's begin: connections are being made. */
const WARM_UP_MS = 300;

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
  const latenciesUs: number[] = [];
  const beginMs = performance.now() + WARM_UP_MS;
  const endMs = beginMs + seconds * 1000;
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(
      {
        url: `http://127.0.0.1:${port}/run`,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"value":{"name":"Ada"}}',
        connections,
        duration: seconds + WARM_UP_MS / 1000,
        verifyBody: (body) => body === expected,
      },
      (error: Error | null, outcome) => (error === null ? resolve(outcome) : reject(error)),
    );
    // Its own percentiles are whole milliseconds.
    instance.on('response', (_client, _status, _bytes, durationMs) => {
      const now = performance.now();
      if (now >= beginMs && now < endMs) latenciesUs.push(durationMs * 1000);
    });
  });
  if (result.non2xx + result.errors + result.timeouts + result.mismatches > 0 || latenciesUs.length === 0) {
    const { non2xx, errors, timeouts, mismatches } = result;
    throw new Error(`wrong answers: ${JSON.stringify({ non2xx, errors, timeouts, mismatches })}`);
  }
  return {
    connections,
    answers: latenciesUs.length,
    ratePerSecond: latenciesUs.length / seconds,
    p50Us: percentile(latenciesUs, 0.5),
    p99Us: percentile(latenciesUs, 0.99),
  };
}
