import { sendOk } from '../../bench/support/http.js';
import { type Tally, within } from './tally.js';

/** The values of a page of metrics by series, as it is written: `name{label="value"}`. */
export type Series = ReadonlyMap<string, number>;

export async function scrape(port: number): Promise<Series> {
  const text = (await sendOk(port, 'GET', '/metrics')).toString('utf8');
  const series = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^([a-z][^ {]*(?:\{[^}]*\})?) (\S+)/.exec(line);
    if (match !== null) series.set(match[1] as string, Number(match[2]));
  }
  return series;
}

/** The sum of all series of a metric whose labels match. */
function sumOf(series: Series, name: string, labels = /./): number {
  let sum = 0;
  for (const [key, value] of series) {
    if (key === name || (key.startsWith(`${name}{`) && labels.test(key))) sum += value;
  }
  return sum;
}

/** What of the page does not fit what was sent, in words. */
export function contradictions(series: Series, tally: Tally, protocol: string): string[] {
  const found: string[] = [];
  const expect = (what: string, value: number, range: { min: number; max: number }): void => {
    if (!within(value, range)) found.push(`${what} is ${value}, expected ${range.min} to ${range.max}`);
  };
  const total = 'hyperskeleton_activations_total';
  // What a client aborted is counted by an outcome of its own, where it is counted; it is no answer.
  const aborted = sumOf(series, total, /outcome="aborted"/);
  expect('the sum of activations', sumOf(series, total) - aborted, tally.activations);
  expect(
    'activations that succeeded',
    sumOf(series, total, /outcome="(?:ok|action_error)"/),
    tally.succeeded,
  );
  const nothing = { min: 0, max: 0 };
  expect('activations in flight', series.get('hyperskeleton_activations_in_flight') ?? 0, nothing);
  expect('activations queued', series.get('hyperskeleton_activations_queued') ?? 0, nothing);
  if (protocol === 'actionloop') return found;
  expect('tasks of workers', sumOf(series, 'hyperskeleton_worker_tasks'), nothing);
  return found;
}
