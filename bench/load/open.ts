import { Worker } from 'node:worker_threads';
import { LatencyRecorder } from '../measure/latency.js';
import type { BenchLatency } from '../report/schema.js';
import { clockMs } from './clock.js';
import { Connection, requestBytes } from './connection.js';
import { countError, type Endpoint, type ErrorCounts, type ExchangeSource } from './exchange.js';
import type { TickerTask } from './ticker-thread.js';

/** Ticks come no faster: what is due between two is sent together. */
const MIN_TICK_MS = 0.2;
/** For the thread that wakes the sender to start in. */
const HEAD_START_MS = 100;
const EXAMPLE_CHARS = 200;

/** Requests at a fixed rate, however the server answers. */
interface OpenOptions {
  readonly endpoint: Endpoint;
  readonly ratePerSecond: number;
  readonly seconds: number;
  /** Before the measured time, at the same rate without a pause: its answers are checked and not counted. */
  readonly warmUpSeconds?: number;
  /** The most connections; what is due while all are taken waits, and its latency grows. */
  readonly connections: number;
  readonly source: ExchangeSource;
  /** How long after the last request answers are waited for. */
  readonly drainSeconds: number;
  readonly signal?: AbortSignal;
  readonly onAnswer?: () => void;
}

/** What an open loop saw. */
interface OpenResult {
  /** Requests that were due in the measured time. */
  readonly due: number;
  /** Right answers. */
  readonly answers: number;
  /** Right answers, also those of the warm-up. */
  readonly allAnswers: number;
  readonly seconds: number;
  /** Right answers per second, up to the last one. */
  readonly ratePerSecond: number;
  /** From when each request was due; what had no answer at the end counts with the time until then. */
  readonly latency: BenchLatency | undefined;
  /** How late requests were sent though a connection was free: the generator's own lateness. */
  readonly lateP99Us: number;
  readonly errors: ErrorCounts;
  readonly warmUpErrors: ErrorCounts;
  readonly example: string | undefined;
  readonly busyShare: number;
}

/**
 * Sends requests when they are due and measures from then: a server that stalls does not hold the clock up, so
 * what would have been sent meanwhile counts as well (no coordinated omission).
 */
export async function openLoop(options: OpenOptions): Promise<OpenResult> {
  const sender = new PacedSender(options);
  const before = performance.eventLoopUtilization();
  const result = await sender.run();
  return { ...result, busyShare: performance.eventLoopUtilization(before).utilization };
}

class PacedSender {
  readonly #options: OpenOptions;
  /** How many are due in the warm-up. */
  readonly #warmUps: number;
  readonly #total: number;
  readonly #free: Connection[] = [];
  readonly #all: Connection[] = [];
  /** Due times of requests that wait for a connection. */
  readonly #waiting: number[] = [];
  #waitingFrom = 0;
  readonly #inFlight = new Set<{ readonly dueMs: number }>();
  readonly #latency = new LatencyRecorder();
  readonly #late = new LatencyRecorder();
  readonly #errors: ErrorCounts = {};
  readonly #warmUpErrors: ErrorCounts = {};
  #example: string | undefined;
  #beginMs = 0;
  #measuredFromMs = 0;
  #sent = 0;
  #answers = 0;
  #allAnswers = 0;
  #lastAnswerMs = 0;
  #over: (() => void) | undefined;

  constructor(options: OpenOptions) {
    this.#options = options;
    this.#warmUps = Math.round(options.ratePerSecond * (options.warmUpSeconds ?? 0));
    this.#total = this.#warmUps + Math.max(1, Math.round(options.ratePerSecond * options.seconds));
    // A first few connections are made ahead; more come when they are needed.
    for (let i = 0; i < Math.min(options.connections, 8); i++) this.#add().open();
    this.#free.push(...this.#all);
  }

  async run(): Promise<Omit<OpenResult, 'busyShare'>> {
    const { ratePerSecond, seconds, warmUpSeconds = 0, drainSeconds, signal } = this.#options;
    const stop = new Int32Array(new SharedArrayBuffer(4));
    this.#beginMs = clockMs() + HEAD_START_MS;
    this.#measuredFromMs = this.#dueMs(this.#warmUps);
    const intervalMs = Math.max(MIN_TICK_MS, 1000 / ratePerSecond);
    const task: TickerTask = { beginMs: this.#beginMs, intervalMs, stop };
    const ticker = new Worker(new URL('./ticker-thread.js', import.meta.url), { workerData: task });
    const ended = new Promise<void>((resolve) => {
      this.#over = resolve;
    });
    const limit = setTimeout(
      () => this.#over?.(),
      HEAD_START_MS + (warmUpSeconds + seconds + drainSeconds) * 1000,
    );
    const abort = (): void => this.#over?.();
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    ticker.on('message', () => {
      this.#sendDue();
      if (this.#sent >= this.#total) Atomics.store(stop, 0, 1);
    });
    await ended;
    clearTimeout(limit);
    signal?.removeEventListener('abort', abort);
    Atomics.store(stop, 0, 1);
    Atomics.notify(stop, 0);
    await ticker.terminate();
    return this.#finish();
  }

  #add(): Connection {
    const connection = new Connection(this.#options.endpoint);
    this.#all.push(connection);
    return connection;
  }

  #dueMs(index: number): number {
    return this.#beginMs + (index * 1000) / this.#options.ratePerSecond;
  }

  #sendDue(): void {
    const now = clockMs();
    for (; this.#sent < this.#total; this.#sent++) {
      const dueMs = this.#dueMs(this.#sent);
      if (dueMs > now) return;
      const connection =
        this.#free.pop() ?? (this.#all.length < this.#options.connections ? this.#add() : undefined);
      if (connection === undefined) {
        this.#waiting.push(dueMs);
      } else {
        if (this.#counts(dueMs)) this.#late.record((clockMs() - dueMs) * 1000);
        this.#send(connection, dueMs);
      }
    }
  }

  #send(connection: Connection, dueMs: number): void {
    const exchange = this.#options.source.next();
    const mark = { dueMs };
    this.#inFlight.add(mark);
    connection.send(requestBytes(this.#options.endpoint, exchange.body)).then(
      ({ status, body }) => {
        const answer = body.toString('utf8');
        if (status !== 200) this.#wrong(dueMs, `status ${status}`, answer);
        else if (!exchange.check(answer)) this.#wrong(dueMs, 'body', answer);
        else this.#right(dueMs);
        this.#ended(mark, connection);
      },
      (error: Error) => {
        this.#wrong(dueMs, 'connection', error.message);
        this.#ended(mark, connection);
      },
    );
  }

  /** Whether what was due then is of the measured time. */
  #counts(dueMs: number): boolean {
    return dueMs >= this.#measuredFromMs;
  }

  #right(dueMs: number): void {
    this.#allAnswers++;
    this.#options.onAnswer?.();
    if (!this.#counts(dueMs)) return;
    const now = clockMs();
    this.#latency.record((now - dueMs) * 1000);
    this.#answers++;
    this.#lastAnswerMs = now;
  }

  #wrong(dueMs: number, kind: string, answer: string): void {
    countError(this.#counts(dueMs) ? this.#errors : this.#warmUpErrors, kind);
    this.#example ??= `${kind}: ${answer.slice(0, EXAMPLE_CHARS)}`;
  }

  #ended(mark: { readonly dueMs: number }, connection: Connection): void {
    this.#inFlight.delete(mark);
    const next = this.#waiting[this.#waitingFrom];
    if (next !== undefined) {
      this.#waitingFrom++;
      this.#send(connection, next);
      return;
    }
    this.#free.push(connection);
    if (this.#sent >= this.#total && this.#inFlight.size === 0) this.#over?.();
  }

  #finish(): Omit<OpenResult, 'busyShare'> {
    const now = clockMs();
    const unanswered = [
      ...[...this.#inFlight].map(({ dueMs }) => dueMs),
      ...this.#waiting.slice(this.#waitingFrom),
    ];
    // Leaving them out would make the slowest vanish.
    const counting = unanswered.filter((dueMs) => this.#counts(dueMs));
    for (const dueMs of counting) this.#latency.record((now - dueMs) * 1000);
    countError(this.#errors, 'timeout', counting.length);
    countError(this.#warmUpErrors, 'timeout', unanswered.length - counting.length);
    for (const connection of this.#all) connection.close();
    const seconds = Math.max(this.#options.seconds, (this.#lastAnswerMs - this.#measuredFromMs) / 1000);
    return {
      due: Math.max(0, this.#sent - this.#warmUps),
      answers: this.#answers,
      allAnswers: this.#allAnswers,
      seconds,
      ratePerSecond: this.#answers / seconds,
      latency: this.#latency.report(),
      lateP99Us: this.#late.percentile(0.99),
      errors: this.#errors,
      warmUpErrors: this.#warmUpErrors,
      example: this.#example,
    };
  }
}
