import {
  type Attributes,
  type Context,
  createTraceState,
  type DiagLogger,
  DiagLogLevel,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace as traces,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BasicTracerProvider, RandomIdGenerator } from '@opentelemetry/sdk-trace-base';
import type { AnswerFailure, InitAnswer, RunAnswer } from '../../protocol/answer.js';
import { textOfFailure } from '../../protocol/errors.js';
import type { Received } from '../../protocol/received.js';
import { parentIdOf, type TraceContext, traceFlagsOf, traceIdOf } from '../../protocol/trace-context.js';
import type { SpanCounts } from '../metrics/gauges.js';
import type { ActivationTiming } from '../metrics/recorder.js';
import { activationAttributes, exitAttributes, initAttributes } from './attributes.js';
import { CountedExport } from './counted-export.js';
import type { ActivationSpan, InitTimes, Tracing, TracingLog } from './tracing.js';

/** A shutdown waits no longer for the collector. */
const FLUSH_MS = 2000;
const SERVICE = 'hyperskeleton';

/** Ids of spans; the next one can be set, for the action knows its span before that is made. */
class SpanIds extends RandomIdGenerator {
  next: string | undefined;
  readonly #random = new RandomIdGenerator();

  override generateSpanId = (): string => {
    const id = this.next ?? this.#random.generateSpanId();
    this.next = undefined;
    return id;
  };
}

/**
 * Sends a span for each activation and init, with children for their phases, to an OpenTelemetry collector. Spans of
 * phases are made when all is over, by the times that were measured anyway.
 */
export class OtlpTracing implements Tracing {
  readonly #provider: BasicTracerProvider;
  readonly #export: CountedExport;
  readonly #tracer: Tracer;
  readonly #ids = new SpanIds();

  /** @param url where the collector takes traces */
  constructor(url: string, version: string, log: TracingLog) {
    diag.setLogger(logSetUpErrors(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
    const exporter = new OTLPTraceExporter({
      url,
      // A container may have been frozen in between: no kept connection can be relied on (C-PLAT-08).
      keepAlive: false,
    });
    this.#export = new CountedExport(exporter, log);
    this.#provider = new BasicTracerProvider({
      resource: defaultResource()
        .merge(resourceFromAttributes({ 'service.name': SERVICE, 'service.version': version }))
        .merge(detectResources({ detectors: [envDetector] })),
      idGenerator: this.#ids,
      spanProcessors: [this.#export],
    });
    this.#tracer = this.#provider.getTracer(SERVICE, version);
    // From now on whatever goes wrong belongs to a batch, and is told by whoever sends it.
    diag.disable();
  }

  get counts(): SpanCounts {
    return this.#export.counts;
  }

  begin({ receivedMs, trace }: Received): ActivationSpan {
    const epochOffsetMs = Date.now() - performance.now();
    const span = this.#serverSpan('activation', trace, epochOffsetMs + receivedMs);
    const { traceId, spanId, traceFlags } = span.spanContext();
    if (!span.isRecording()) {
      // Whoever asked not to be recorded is passed on as it came; a decision of our own is told.
      return { trace: trace ?? { traceparent: `00-${traceId}-${spanId}-00` }, end: () => span.end() };
    }
    const runSpanId = this.#ids.generateSpanId();
    const flags = traceFlags.toString(16).padStart(2, '0');
    return {
      trace: { ...trace, traceparent: `00-${traceId}-${runSpanId}-${flags}` },
      end: (answer, timing) => this.#end(span, answer, timing, epochOffsetMs + receivedMs, runSpanId),
    };
  }

  initialised({ receivedMs, completeMs, trace }: Received, answer: InitAnswer, times: InitTimes): void {
    const epochOffsetMs = Date.now() - performance.now();
    const turnMs = epochOffsetMs + times.turnMs;
    const span = this.#serverSpan('init', trace, epochOffsetMs + receivedMs);
    if (span.isRecording()) {
      const parent = traces.setSpan(ROOT_CONTEXT, span);
      this.#phase('receive', parent, epochOffsetMs + receivedMs, epochOffsetMs + completeMs);
      this.#phase('queue', parent, epochOffsetMs + completeMs, turnMs);
      const { installMs, startMs } = answer;
      if (installMs !== undefined) {
        this.#phase('install', parent, turnMs, turnMs + installMs);
        if (startMs !== undefined) {
          this.#phase('start', parent, turnMs + installMs, turnMs + installMs + startMs);
        }
      }
      span.setAttributes(initAttributes(answer));
      recordFailure(span, answer.failure);
    }
    span.end(epochOffsetMs + times.answeredMs);
  }

  async stop(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FLUSH_MS);
    });
    await Promise.race([this.#provider.shutdown().catch(() => {}), timeout]);
    clearTimeout(timer);
  }

  #end(
    span: Span,
    answer: RunAnswer,
    { queueMs, startMs, runMs, totalMs }: ActivationTiming,
    beganMs: number,
    runSpanId: string,
  ): void {
    const parent = traces.setSpan(ROOT_CONTEXT, span);
    const handedMs = beganMs + queueMs;
    this.#phase('queue', parent, beganMs, handedMs);
    if (startMs !== undefined) {
      this.#phase('start', parent, handedMs, handedMs + startMs);
      this.#ids.next = runSpanId;
      const ranMs = runMs ?? Math.max(0, totalMs - queueMs - startMs);
      this.#phase('run', parent, handedMs + startMs, handedMs + startMs + ranMs, exitAttributes(answer));
    }
    span.setAttributes(activationAttributes(answer));
    recordFailure(span, answer.failure);
    span.end(beganMs + totalMs);
  }

  #serverSpan(name: string, trace: TraceContext | undefined, fromMs: number): Span {
    return this.#tracer.startSpan(name, { kind: SpanKind.SERVER, startTime: fromMs }, parentOf(trace));
  }

  #phase(name: string, parent: Context, fromMs: number, toMs: number, attributes: Attributes = {}): void {
    this.#tracer.startSpan(name, { startTime: fromMs, attributes }, parent).end(toMs);
  }
}

function parentOf(trace: TraceContext | undefined): Context {
  if (trace === undefined) return ROOT_CONTEXT;
  return traces.setSpanContext(ROOT_CONTEXT, {
    traceId: traceIdOf(trace),
    spanId: parentIdOf(trace),
    // Flags of later versions mean nothing here (W3C Trace Context, 3.2.2.5).
    traceFlags: traceFlagsOf(trace) & TraceFlags.SAMPLED,
    isRemote: true,
    ...(trace.tracestate !== undefined && { traceState: createTraceState(trace.tracestate) }),
  });
}

function recordFailure(span: Span, failure: AnswerFailure | undefined): void {
  if (failure === undefined) return;
  // Without its detail, which may quote anything.
  span.setStatus({ code: SpanStatusCode.ERROR, message: textOfFailure({ code: failure.code }) });
}

/** Tells what the SDK finds wrong with its variables, while it is set up. */
function logSetUpErrors(log: TracingLog): DiagLogger {
  const tell = (remark: string): void => log.warn('tracing can not be as it is asked for', { remark });
  const nothing = (): void => {};
  return { error: tell, warn: tell, info: nothing, debug: nothing, verbose: nothing };
}
