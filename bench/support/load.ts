import autocannon from 'autocannon';

/** What a closed loop measured. */
export interface LoadResult {
  readonly ratePerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/**
 * Drives POST /run in a closed loop with keep-alive connections, and checks every answer.
 *
 * Latencies come from each single answer: autocannon's own percentiles are whole milliseconds.
 *
 * @throws Error when one answer was not the expected one
 */
export async function closedLoop(
  url: string,
  connections: number,
  seconds: number,
  expected: string,
): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  let wrong = 0;
  const options = {
    url,
    connections,
    duration: seconds,
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"value":{"name":"world"},"namespace":"guest","action_name":"/guest/hello","activation_id":"0123456789abcdef"}',
    verifyBody: (body: string) => {
      const right = body === expected;
      if (!right) wrong++;
      return right;
    },
  } as autocannon.Options;
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(options, (error: Error | null, outcome) => {
      if (error === null) resolve(outcome);
      else reject(error);
    });
    instance.on('response', (_client: unknown, _status: number, _bytes: number, responseMs: number) => {
      latenciesMs.push(responseMs);
    });
  });
  if (wrong > 0 || result.errors > 0 || result.non2xx > 0) {
    throw new Error(`${wrong} wrong answers, ${result.errors} errors, ${result.non2xx} not 2xx`);
  }
  latenciesMs.sort((a, b) => a - b);
  const percentile = (share: number): number =>
    (latenciesMs[Math.floor(latenciesMs.length * share)] ?? 0) * 1000;
  return {
    ratePerSecond: latenciesMs.length / result.duration,
    p50Us: percentile(0.5),
    p99Us: percentile(0.99),
  };
}

/** The middle one of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
