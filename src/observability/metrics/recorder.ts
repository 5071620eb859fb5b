import type { InitAnswer, RunAnswer } from '../../protocol/answer.js';
import type { ErrorCode } from '../../protocol/errors.js';
import * as bounds from './buckets.js';
import type { Gauges } from './gauges.js';
import { Histogram, HistogramWithExemplars } from './histogram.js';
import { type AbortStage, ENGINES, outcomeOf, type Phase } from './labels.js';
import { type Page, PageCache } from './page-cache.js';

/** How long an activation took, by phase; what it did not come to is absent. */
export interface ActivationTiming {
  /** Milliseconds from its arrival until it was handed to a worker. */
  readonly queueMs: number;
  readonly startMs?: number;
  readonly runMs?: number;
  /** From its arrival until now. */
  readonly totalMs: number;
}

/** Counts what happens; prom-client turns the numbers into text when somebody asks for it. */
export class Recorder {
  readonly activations = new Map<string, number>();
  readonly inits = new Map<string, number>();
  /** Requests that were refused before anything was done for them, by error code. */
  readonly refusals = new Map<ErrorCode, number>();
  /** Requests whose connection ended before they were answered, by what was under way. */
  readonly aborted: Record<AbortStage, number> = { body: 0, run: 0, answer: 0 };
  /** Everything that failed, by error code. */
  readonly failures = new Map<ErrorCode, number>();
  /** Activations that came to run and have no result, by reason. */
  readonly resultFailures = new Map<string, number>();
  /** Inits that succeeded and are probably a mistake, by warning. */
  readonly initWarnings = new Map<string, number>();
  readonly phases: Readonly<Record<Phase, HistogramWithExemplars>> = {
    queue: new HistogramWithExemplars(bounds.ACTIVATION_SECONDS),
    start: new HistogramWithExemplars(bounds.ACTIVATION_SECONDS),
    run: new HistogramWithExemplars(bounds.ACTIVATION_SECONDS),
    total: new HistogramWithExemplars(bounds.ACTIVATION_SECONDS),
  };
  readonly argumentBytes = new Histogram(bounds.PAYLOAD_BYTES);
  readonly resultBytes = new Histogram(bounds.PAYLOAD_BYTES);
  readonly childResidentBytes = new Histogram(bounds.RESIDENT_BYTES);
  readonly initSeconds = new Histogram(bounds.INIT_SECONDS);
  readonly installSeconds = new Histogram(bounds.INIT_SECONDS);
  readonly codeBytes = new Histogram(bounds.CODE_BYTES);
  readonly unpackedBytes = new Histogram(bounds.CODE_BYTES);
  readonly scrapeSeconds = new Histogram(bounds.SCRAPE_SECONDS);
  /** Activations that came to run, by what started them: the numbers of {@link ENGINES}. */
  readonly starts = new Float64Array(ENGINES.length);
  /** Activations that the main thread started itself. */
  direct = 0;
  logBytes = 0;
  childCpuSeconds = 0;
  workersLost = 0;
  workersNotStarted = 0;
  connectionsRefused = 0;
  leftoversKilled = 0;
  scrapeErrors = 0;
  readonly gauges: Gauges;
  readonly #pages = new PageCache();
  #exposition: Promise<import('./exposition.js').Exposition> | undefined;

  constructor(gauges: Gauges) {
    this.gauges = gauges;
  }

  /**
   * An activation has been answered.
   *
   * @param traceId the trace it belongs to; it, or else the activation's own id, becomes an exemplar
   */
  observeRun(answer: RunAnswer, timing: ActivationTiming, traceId: string | undefined): void {
    const { failure, stats } = answer;
    count(this.activations, outcomeOf(answer));
    if (failure?.code === 'overloaded') {
      this.countRefusal(failure.code);
      return;
    }
    if (failure !== undefined) {
      count(this.failures, failure.code);
      // Only what came to run has an explanation: a start that failed has a reason of its own.
      if (failure.reason !== undefined && failure.explanation !== undefined)
        count(this.resultFailures, failure.reason);
    }
    const { phases } = this;
    const { queueMs, startMs, runMs, totalMs } = timing;
    const { activationId, exit } = stats;
    phases.queue.observe(queueMs / 1000);
    phases.total.observeWithExemplar(totalMs / 1000, traceId, activationId);
    if (startMs !== undefined) phases.start.observeWithExemplar(startMs / 1000, traceId, activationId);
    if (runMs !== undefined) phases.run.observeWithExemplar(runMs / 1000, traceId, activationId);
    if (stats.engine !== undefined) this.#countStart(stats.engine);
    if (stats.direct) this.direct++;
    if (stats.argumentBytes > 0) this.argumentBytes.observe(stats.argumentBytes);
    if (answer.result !== undefined) this.resultBytes.observe(answer.result.byteLength);
    this.logBytes += stats.logBytes;
    this.leftoversKilled += stats.leftoversKilled ?? 0;
    if (exit?.usage === undefined) return;
    this.childCpuSeconds += exit.usage.userCpuSeconds + exit.usage.systemCpuSeconds;
    this.childResidentBytes.observe(exit.usage.maxResidentBytes);
  }

  /** A request that was refused before anything was done for it. */
  countRefusal(code: ErrorCode): void {
    count(this.refusals, code);
    count(this.failures, code);
  }

  /** The connection of a request has ended before the request was answered. */
  countAborted(during: AbortStage): void {
    this.aborted[during]++;
  }

  /** A failure that belongs to no activation and no init. */
  countFailure(code: ErrorCode): void {
    count(this.failures, code);
  }

  observeInit(answer: InitAnswer, totalMs: number): void {
    const { failure, warning, installMs, codeBytes, unpackedBytes } = answer;
    count(this.inits, outcomeOf(answer));
    if (failure !== undefined) count(this.failures, failure.code);
    if (warning !== undefined) count(this.initWarnings, warning.reason);
    this.initSeconds.observe(totalMs / 1000);
    if (installMs !== undefined) this.installSeconds.observe(installMs / 1000);
    if (codeBytes > 0) this.codeBytes.observe(codeBytes);
    if (unpackedBytes !== undefined && codeBytes > 0) this.unpackedBytes.observe(unpackedBytes);
  }

  /**
   * The metrics as text, at most a second old.
   *
   * @param accept the scraper's Accept header: OpenMetrics where it asks for it
   */
  async scrape(accept: string | undefined): Promise<Page> {
    const exposition = await this.#exposed();
    const format = exposition.formatFor(accept);
    return this.#pages.get(format, async () => {
      const begunMs = performance.now();
      const page = await exposition.text(format);
      this.scrapeSeconds.observe((performance.now() - begunMs) / 1000);
      return page;
    });
  }

  /** Makes the page for nobody, so that the first scrape, which may come under load, need not load anything. */
  async warmUp(): Promise<void> {
    const exposition = await this.#exposed();
    await exposition.text(exposition.formatFor(undefined));
  }

  #exposed(): Promise<import('./exposition.js').Exposition> {
    // prom-client costs start-up time and memory: who never scrapes never pays.
    this.#exposition ??= import('./exposition.js').then(({ Exposition }) => new Exposition(this));
    // For want of a descriptor it could not be read: the next scrape tries again.
    return this.#exposition.catch((error: unknown) => {
      this.#exposition = undefined;
      throw error;
    });
  }

  #countStart(engine: string): void {
    const at = (ENGINES as readonly string[]).indexOf(engine);
    if (at >= 0) this.starts[at] = (this.starts[at] as number) + 1;
  }
}

function count<Label>(counts: Map<Label, number>, label: Label): void {
  counts.set(label, (counts.get(label) ?? 0) + 1);
}
