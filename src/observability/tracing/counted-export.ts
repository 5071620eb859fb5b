import type { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { SpanCounts } from '../metrics/gauges.js';
import type { TracingLog } from './tracing.js';

type Done = Parameters<SpanExporter['export']>[1];

/** As OpenTelemetry's specification has them, where OTEL_BSP_MAX_QUEUE_SIZE is no number of its own. */
const DEFAULT_QUEUE = 2048;
/** Further troubles are told again after that time: each batch would bring a line otherwise. */
const ERROR_LOG_INTERVAL_MS = 60_000;

/**
 * Gathers spans into batches and sends them, and counts what becomes of each: sent, refused by the collector or lost on
 * the way, or dropped because too many waited. An activation never waits for any of it.
 */
export class CountedExport extends BatchSpanProcessor {
  readonly counts: { sent: number; failed: number; dropped: number };
  readonly #queue: { waiting: number };
  readonly #maxQueued: number;
  readonly #errorLog: ExportErrorLog;

  constructor(exporter: OTLPTraceExporter, log: TracingLog) {
    const counts = { sent: 0, failed: 0, dropped: 0 };
    const queue = { waiting: 0 };
    const troubles = new ExportErrorLog(log, counts);
    const maxQueueSize = queueSize(process.env.OTEL_BSP_MAX_QUEUE_SIZE);
    super(
      {
        export: (spans, done) => {
          queue.waiting -= spans.length;
          exporter.export(spans, (result) => settle(spans.length, result, done));
        },
        shutdown: () => exporter.shutdown(),
      },
      { maxQueueSize },
    );
    this.counts = counts;
    this.#queue = queue;
    this.#maxQueued = maxQueueSize;
    this.#errorLog = troubles;

    function settle(count: number, { code, error }: Parameters<Done>[0], done: Done): void {
      if (code === SUCCESS) {
        counts.sent += count;
      } else {
        counts.failed += count;
        troubles.report(error?.message || 'the collector did not take them');
      }
      // Told here, with numbers: whoever called would tell it again.
      done({ code: SUCCESS });
    }
  }

  override onEnd(span: ReadableSpan): void {
    if (this.#queue.waiting >= this.#maxQueued) {
      this.counts.dropped++;
      this.#errorLog.report('too many of them wait');
      return;
    }
    this.#queue.waiting++;
    super.onEnd(span);
  }
}

const SUCCESS = 0;

function queueSize(text: string | undefined): number {
  return /^[1-9]\d{0,6}$/.test(text?.trim() ?? '') ? Number(text) : DEFAULT_QUEUE;
}

class ExportErrorLog {
  readonly #log: TracingLog;
  readonly #counts: SpanCounts;
  #loggedMs = Number.NEGATIVE_INFINITY;

  constructor(log: TracingLog, counts: SpanCounts) {
    this.#log = log;
    this.#counts = counts;
  }

  report(problem: string): void {
    const now = performance.now();
    if (now - this.#loggedMs < ERROR_LOG_INTERVAL_MS) return;
    this.#loggedMs = now;
    this.#log.warn('traces could not be sent', { trouble: problem, ...this.#counts });
  }
}
