import type { Attributes } from '@opentelemetry/api';
import type { AnswerFailure, InitAnswer, RunAnswer } from '../../protocol/answer.js';
import { errorRowOf } from '../../protocol/errors.js';
import { outcomeOf } from '../metrics/labels.js';

/** What is told of an activation: sizes and outcomes, never what was in it. */
export function activationAttributes(answer: RunAnswer): Attributes {
  const { failure, stats, result } = answer;
  return {
    'hyperskeleton.outcome': outcomeOf(answer),
    'hyperskeleton.argument_bytes': stats.argumentBytes,
    'hyperskeleton.log_bytes': stats.logBytes,
    ...(stats.activationId !== undefined && { 'faas.invocation_id': stats.activationId }),
    ...(stats.engine !== undefined && { 'hyperskeleton.engine': stats.engine }),
    ...(result !== undefined && { 'hyperskeleton.result_bytes': result.byteLength }),
    ...failureAttributes(failure),
  };
}

/** What is told of an init. */
export function initAttributes(answer: InitAnswer): Attributes {
  return {
    'hyperskeleton.outcome': outcomeOf(answer),
    'hyperskeleton.code_bytes': answer.codeBytes,
    ...failureAttributes(answer.failure),
  };
}

/** How the process of a run ended, and what it used. */
export function exitAttributes({ stats: { exit } }: RunAnswer): Attributes {
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

function failureAttributes(failure: AnswerFailure | undefined): Attributes {
  if (failure === undefined) return {};
  return { 'error.type': failure.code, 'hyperskeleton.fault': errorRowOf(failure.code).fault };
}
