import type { Variable } from '../protocol/environment.js';
import type { Failure } from '../protocol/errors.js';
import type { RunInput } from '../protocol/run-body.js';
import type { TraceContext } from '../protocol/trace-context.js';
import type { RequestInfo } from './activation.js';

const ACTIVATION_ID = '__OW_ACTIVATION_ID';
/** Longer ids are cut, for log and metrics. */
const MAX_ID_CHARACTERS = 128;

/** What an activation's facts say of a request. */
export function requestInfoOf(request: RunInput | Failure): RequestInfo {
  if ('code' in request) return { argumentBytes: 0 };
  const id = request.variables.find(([name]) => name === ACTIVATION_ID)?.[1];
  return {
    argumentBytes: request.argument.length,
    ...(id !== undefined && { activationId: id.slice(0, MAX_ID_CHARACTERS) }),
  };
}

/**
 * The trace context as the action sees it, if the request does not name it itself
 * (docs/decisions/0013-trace-context.md).
 */
export function withTrace(
  variables: readonly Variable[],
  trace: TraceContext | undefined,
): readonly Variable[] {
  if (trace === undefined) return variables;
  const { traceparent, tracestate } = trace;
  const traced = [...variables];
  addTrace(traced, 'TRACEPARENT', traceparent);
  if (tracestate !== undefined) addTrace(traced, 'TRACESTATE', tracestate);
  return traced;
}

/** Under the platform's name and under that which OpenTelemetry's tools read. */
function addTrace(variables: Variable[], name: string, value: string): void {
  const owName = `__OW_${name}`;
  if (!variables.some(([given]) => given === owName)) variables.push([owName, value]);
  variables.push([name, value]);
}
