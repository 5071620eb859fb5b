import type { ServerLog } from '../../logging/server-log/server-log.js';
import type { InitAnswer, RunAnswer } from '../../protocol/answer.js';
import { messageOf } from '../../protocol/message-of.js';
import type { Received } from '../../protocol/received.js';
import type { TraceContext } from '../../protocol/trace-context.js';
import type { SpanCounts } from '../metrics/gauges.js';
import type { ActivationTiming } from '../metrics/recorder.js';
import { type Endpoints, resolveExporterEndpoint } from './exporter-endpoint.js';

/** The trace of one activation. */
export interface ActivationSpan {
  /** What the action gets as its trace context: it names the span of the run. */
  readonly trace: TraceContext;
  /** It has been answered. */
  end(answer: RunAnswer, timing: ActivationTiming): void;
}

/** When an init came to what, by performance.now(). */
export interface InitTimes {
  /** The inits before it were over. */
  readonly turnMs: number;
  readonly answeredMs: number;
}

/** Traces activations and inits. Nothing here throws, whatever becomes of the collector. */
export interface Tracing {
  /** An activation has arrived. */
  begin(request: Received): ActivationSpan;
  /** An init has been answered. */
  initialised(request: Received, answer: InitAnswer, times: InitTimes): void;
  /** What became of the spans so far. */
  readonly counts: SpanCounts;
  /** Sends what is left, as far as that takes no time worth waiting for. */
  stop(): Promise<void>;
}

/** What is told of the collector's troubles. */
export type TracingLog = Pick<ServerLog, 'info' | 'warn'>;

/**
 * Sets tracing up, where there is a collector; where there is none, not even the code is loaded.
 *
 * @param endpoints the collector's addresses, and whether OpenTelemetry's own variables count besides
 */
export async function openTracing(
  endpoints: Endpoints,
  version: string,
  log: TracingLog,
): Promise<Tracing | undefined> {
  const { url, warnings } = resolveExporterEndpoint(endpoints, endpoints.otelVariables ? process.env : {});
  for (const remark of warnings) log.warn('tracing is not set up as requested', { remark });
  if (url === undefined) return undefined;
  if (!endpoints.otelVariables) forgetOtelVariables();
  try {
    const { OtlpTracing } = await import('./otlp-tracing.js');
    return new OtlpTracing(url, version, log);
  } catch (error) {
    // Activations are served, traced or not.
    const remark = messageOf(error);
    log.warn('tracing could not be set up', { remark });
    return undefined;
  }
}

/** OpenTelemetry's library would follow them. Actions get theirs from the kernel's copy of the environment. */
function forgetOtelVariables(): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) delete process.env[name];
}
