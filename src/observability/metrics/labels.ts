import type { ActivationStats, AnswerFailure } from '../../protocol/answer.js';
import { ERRORS, errorRowOf } from '../../protocol/errors.js';

/** The parts of an activation's time. */
export const PHASES = ['queue', 'start', 'run', 'total'] as const;

export type Phase = (typeof PHASES)[number];

/** What starts the process of an activation, or has it already. */
export const ENGINES = ['forkserver', 'posix_spawn', 'child_process', 'actionloop'] as const;

/** What was under way when the connection of a request ended too early. */
export const ABORT_STAGES = ['body', 'run', 'answer'] as const;

export type AbortStage = (typeof ABORT_STAGES)[number];

/** A result was returned. */
const OK = 'ok';
/** And it was an error of the action's own making, as the platform understands results (C-RUN-20). */
const ACTION_ERROR = 'action_error';

/** Every outcome of an activation or init, so that each series is there before it first happens. */
export const OUTCOMES: readonly string[] = [
  OK,
  ACTION_ERROR,
  ...new Set(Object.values(ERRORS).flatMap((row) => ('outcome' in row ? [row.outcome as string] : []))),
];

/** An answer, as far as its outcome depends on it. */
interface Answered {
  readonly failure?: AnswerFailure;
  readonly stats?: Pick<ActivationStats, 'actionError'>;
}

/** The label of an outcome: what the error table says, or whether the result is an error. */
export function outcomeOf({ failure, stats }: Answered): string {
  if (failure !== undefined) return errorRowOf(failure.code).outcome ?? 'internal';
  return stats?.actionError ? ACTION_ERROR : OK;
}
