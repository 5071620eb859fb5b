import {
  type Attributes,
  type Context,
  DiagLogLevel,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, RandomIdGenerator } from '@opentelemetry/sdk-trace-base';
import { parentIdOf, traceFlagsOf, traceIdOf } from '../contract/trace-context.js';
import { rowOf, textOfFailure } from '../errors/table.js';
import { type ActivationTiming, outcomeOf } from '../metrics/recorder.js';
import type { RunAnswer } from '../pool/messages.js';
import type { Received } from '../server/receive.js';
import type { ActivationSpan, TellTrouble, Tracing } from './tracing.js';

/** A shutdown waits no longer for the collector. */
const FLUSH_MS = 2000;
const SERVICE = 'hyperskeleton';
/** Further troubles are told again after that time. */
const TROUBLE_EVERY_MS = 60_000;

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
 * Sends a span for each activation, with children for its phases, to an OpenTelemetry collector. Spans of phases
 * are made when the activation is over, by the times that were measured anyway.
 */
export class OtlpTracing implements Tracing {
  readonly #provider: BasicTracerProvider;
  readonly #tracer: Tracer;
  readonly #ids = new SpanIds();

  /** @param endpoint the collector's base address */
  constructor(endpoint: string, version: string, tell: TellTrouble) {
    diag.setLogger(new Troubles(tell), { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true });
    const exporter = new OTLPTraceExporter({
      url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
      // A container may have been frozen in between: no kept connection can be relied on (C-PLAT-08).
      keepAlive: false,
    });
    this.#provider = new BasicTracerProvider({
      resource: defaultResource()
        .merge(resourceFromAttributes({ 'service.name': SERVICE, 'service.version': version }))
        .merge(detectResources({ detectors: [envDetector] })),
      idGenerator: this.#ids,
      spanProcessors: [new BatchSpanProcessor(exporter)],
    });
    this.#tracer = this.#provider.getTracer(SERVICE, version);
  }

  begin({ receivedMs, traceparent }: Received): ActivationSpan {
    const epochOffsetMs = Date.now() - performance.now();
    const span = this.#tracer.startSpan(
      'activation',
      { kind: SpanKind.SERVER, startTime: epochOffsetMs + receivedMs },
      parentOf(traceparent),
    );
    const { traceId, spanId, traceFlags } = span.spanContext();
    if (!span.isRecording()) {
      // Whoever asked not to be recorded is passed on as it came; a decision of our own is told.
      return { traceparent: traceparent ?? `00-${traceId}-${spanId}-00`, end: () => span.end() };
    }
    const runSpanId = this.#ids.generateSpanId();
    const flags = traceFlags.toString(16).padStart(2, '0');
    return {
      traceparent: `00-${traceId}-${runSpanId}-${flags}`,
      end: (answer, timing) => this.#end(span, answer, timing, epochOffsetMs + receivedMs, runSpanId),
    };
  }

  async stop(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FLUSH_MS);
    });
    await Promise.race([this.#provider.shutdown().catch(() => {}), patience]);
    clearTimeout(timer);
  }

  #end(
    span: Span,
    answer: RunAnswer,
    { queueMs, startMs, runMs, totalMs }: ActivationTiming,
    beganMs: number,
    runSpanId: string,
  ): void {
    const parent = trace.setSpan(ROOT_CONTEXT, span);
    const handedMs = beganMs + queueMs;
    this.#phase('queue', parent, beganMs, handedMs);
    if (startMs !== undefined) {
      this.#phase('start', parent, handedMs, handedMs + startMs);
      this.#ids.next = runSpanId;
      const ranMs = runMs ?? Math.max(0, totalMs - queueMs - startMs);
      this.#phase('run', parent, handedMs + startMs, handedMs + startMs + ranMs, exitOf(answer));
    }
    span.setAttributes(attributesOf(answer));
    if (answer.failure !== undefined) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: textOfFailure({ code: answer.failure.code }) });
    }
    span.end(beganMs + totalMs);
  }

  #phase(name: string, parent: Context, fromMs: number, toMs: number, attributes: Attributes = {}): void {
    this.#tracer.startSpan(name, { startTime: fromMs, attributes }, parent).end(toMs);
  }
}

function parentOf(traceparent: string | undefined): Context {
  if (traceparent === undefined) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId: traceIdOf(traceparent),
    spanId: parentIdOf(traceparent),
    // Flags of later versions mean nothing here (W3C Trace Context, 3.2.2.5).
    traceFlags: traceFlagsOf(traceparent) & TraceFlags.SAMPLED,
    isRemote: true,
  });
}

/** What is told of an activation: sizes and outcomes, never what was in it. */
function attributesOf({ failure, facts, result, shaped }: RunAnswer): Attributes {
  const body = result ?? shaped?.body;
  return {
    'hyperskeleton.outcome': outcomeOf(failure?.code),
    'hyperskeleton.argument_bytes': facts.argumentBytes,
    'hyperskeleton.log_bytes': facts.logBytes,
    ...(facts.activationId !== undefined && { 'faas.invocation_id': facts.activationId }),
    ...(facts.engine !== undefined && { 'hyperskeleton.engine': facts.engine }),
    ...(body !== undefined && { 'hyperskeleton.result_bytes': body.byteLength }),
    ...(failure !== undefined && {
      'error.type': failure.code,
      'hyperskeleton.fault': rowOf(failure.code).fault,
    }),
  };
}

function exitOf({ facts: { exit } }: RunAnswer): Attributes {
  if (exit === undefined) return {};
  return {
    ...(exit.status !== undefined && { 'process.exit.code': exit.status }),
    ...(exit.signal !== undefined && { 'hyperskeleton.signal': exit.signal }),
    ...(exit.usage !== undefined && {
      'hyperskeleton.cpu_seconds': exit.usage.userCpuSeconds + exit.usage.systemCpuSeconds,
      'hyperskeleton.max_resident_bytes': exit.usage.maxResidentBytes,
    }),
  };
}

/** Tells of a collector that can't be reached, once in a while: each batch would bring a line otherwise. */
class Troubles {
  readonly #tell: TellTrouble;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(tell: TellTrouble) {
    this.#tell = tell;
  }

  error(message: string): void {
    const now = performance.now();
    if (now - this.#toldMs < TROUBLE_EVERY_MS) return;
    this.#toldMs = now;
    this.#tell(message);
  }

  warn(): void {}
  info(): void {}
  debug(): void {}
  verbose(): void {}
}
