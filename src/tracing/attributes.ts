import type { Attributes } from '@opentelemetry/api';
import { rowOf } from '../errors/table.js';
import { outcomeOf } from '../metrics/outcome.js';
import type { AnswerFailure, InitAnswer, RunAnswer } from '../pool/messages.js';

/** What is told of an activation: sizes and outcomes, never what was in it. */
export function activationAttributes(answer: RunAnswer): Attributes {
  const { failure, facts, result, shaped } = answer;
  const body = result ?? shaped?.body;
  return {
    'hyperskeleton.outcome': outcomeOf(answer),
    'hyperskeleton.argument_bytes': facts.argumentBytes,
    'hyperskeleton.log_bytes': facts.logBytes,
    ...(facts.activationId !== undefined && { 'faas.invocation_id': facts.activationId }),
    ...(facts.engine !== undefined && { 'hyperskeleton.engine': facts.engine }),
    ...(body !== undefined && { 'hyperskeleton.result_bytes': body.byteLength }),
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
export function exitAttributes({ facts: { exit } }: RunAnswer): Attributes {
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
  return { 'error.type': failure.code, 'hyperskeleton.fault': rowOf(failure.code).fault };
}
