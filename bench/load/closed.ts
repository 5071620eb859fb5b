import autocannon from 'autocannon';
import { LatencyRecorder } from '../measure/latency.js';
import type { BenchLatency } from '../report/schema.js';
import {
  countError,
  type Endpoint,
  type ErrorCounts,
  type Exchange,
  type ExchangeSource,
} from './exchange.js';

/** Left out at a round's begin: connections are being made. */
const RAMP_MS = 250;
const TIMEOUT_SECONDS = 120;
/** How often autocannon looks whether it should end. */
const POLL_INTERVAL_MS = 50;

/** Each connection sends again as soon as it has its answer. */
export interface ClosedOptions {
  readonly endpoint: Endpoint;
  readonly connections: number;
  readonly seconds: number;
  readonly source: ExchangeSource;
  /** Ends the load early: the run was interrupted, or the target has died. */
  readonly signal?: AbortSignal;
  /** Called with each answer, for a live view. */
  readonly onAnswer?: () => void;
}

/** What a closed loop saw. */
export interface ClosedResult {
  readonly seconds: number;
  /** Answers in the measured time. */
  readonly answers: number;
  /** Answers at all, also those of the ramp. */
  readonly allAnswers: number;
  readonly ratePerSecond: number;
  readonly latency: BenchLatency | undefined;
  readonly errors: ErrorCounts;
  /** What the first wrong answer was. */
  readonly example: string | undefined;
  /** Share of the time in which this thread's event loop was busy: near 1 it is the limit. */
  readonly busyShare: number;
}

const EXAMPLE_CHARS = 200;

/** Loads a server by autocannon; its own percentiles are whole milliseconds and are not used. */
export async function closedLoop(options: ClosedOptions): Promise<ClosedResult> {
  const { endpoint, connections, seconds, signal } = options;
  const beginMs = performance.now() + RAMP_MS;
  const endMs = beginMs + seconds * 1000;
  const recorder = new LatencyRecorder();
  const errors: ErrorCounts = {};
  let example: string | undefined;
  let allAnswers = 0;
  const wrong = (kind: string, answer: string): void => {
    countError(errors, kind);
    example ??= `${kind}: ${answer.slice(0, EXAMPLE_CHARS)}`;
  };
  const before = performance.eventLoopUtilization();
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(
      {
        url: `http://${endpoint.host}:${endpoint.port}${endpoint.path}`,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        connections,
        duration: seconds + RAMP_MS / 1000,
        timeout: TIMEOUT_SECONDS,
        sampleInt: POLL_INTERVAL_MS,
        ...requestsOf(options.source, wrong),
      },
      (error: Error | null, outcome) => (error === null ? resolve(outcome) : reject(error)),
    );
    instance.on('response', (_client, status, _bytes, durationMs) => {
      const now = performance.now();
      allAnswers++;
      if (status !== 200) wrong(`status ${status}`, '');
      else if (now >= beginMs && now < endMs) recorder.record(durationMs * 1000);
      options.onAnswer?.();
    });
    const stop = (): void => instance.stop();
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop, { once: true });
    instance.once('done', () => signal?.removeEventListener('abort', stop));
  });
  countError(errors, 'timeout', result.timeouts);
  // It makes the connection again without a word when the server ends it: what was sent then has no answer.
  const unanswered = result.requests.sent - allAnswers - connections;
  countError(errors, 'connection', Math.max(result.errors - result.timeouts, unanswered));
  return {
    seconds,
    answers: recorder.count,
    allAnswers,
    ratePerSecond: recorder.count / seconds,
    latency: recorder.report(),
    errors,
    example,
    busyShare: performance.eventLoopUtilization(before).utilization,
  };
}

interface Context {
  exchange?: Exchange;
}

type Requests = Pick<autocannon.Options, 'body' | 'verifyBody' | 'requests'>;

function requestsOf(source: ExchangeSource, wrong: (kind: string, answer: string) => void): Requests {
  if (source.constant) {
    const exchange = source.next();
    // The status is looked at elsewhere; an answer that isn't a 200 has a body of its own.
    return {
      body: exchange.body,
      verifyBody: (body) => {
        const right = exchange.check(String(body));
        if (!right) wrong('body', String(body));
        return right;
      },
    };
  }
  return {
    requests: [
      {
        setupRequest: (request, context: Context) => {
          context.exchange = source.next();
          return { ...request, body: context.exchange.body };
        },
        // Called before the next request is made: the context is still that of this one.
        onResponse: (status, body, context: Context) => {
          if (status === 200 && context.exchange?.check(body) !== true) wrong('body', body);
        },
      },
    ],
  };
}
