import type { ActivationTiming } from '../metrics/recorder.js';
import type { RunAnswer } from '../pool/messages.js';
import type { Received } from '../server/receive.js';

/** The trace of one activation. */
export interface ActivationSpan {
  /** What the action gets as its trace context: it names the span of the run. */
  readonly traceparent: string;
  /** It has been answered. */
  end(answer: RunAnswer, timing: ActivationTiming): void;
}

/** Traces activations. Nothing here throws, whatever becomes of the collector. */
export interface Tracing {
  /** An activation has arrived. */
  begin(request: Received): ActivationSpan;
  /** Sends what is left, as far as that takes no time worth waiting for. */
  stop(): Promise<void>;
}

/** What is told of the collector's troubles. */
export type TellTrouble = (message: string) => void;

/**
 * Sets tracing up, where there is a collector.
 *
 * @param endpoint the collector's base address; undefined for none, and then not even the code is loaded
 */
export async function openTracing(
  endpoint: string | undefined,
  version: string,
  tell: TellTrouble,
): Promise<Tracing | undefined> {
  if (endpoint === undefined || process.env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return undefined;
  try {
    const { OtlpTracing } = await import('./otlp-tracing.js');
    return new OtlpTracing(endpoint, version, tell);
  } catch (error) {
    // Activations are served, traced or not.
    tell(`tracing could not be set up: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
