import { setTimeout as delay } from 'node:timers/promises';
import { diagnoseStartFailure } from '../action/diagnose-start.js';
import { Activation } from '../activation/activation.js';
import { requestInfoOf, withTrace } from '../activation/request-parts.js';
import type { StartOutcome, StartRequest } from '../engines/engine.js';
import type { RunAnswer } from '../protocol/answer.js';
import type { Failure } from '../protocol/errors.js';
import { messageOf } from '../protocol/message-of.js';
import { type ParsedRunBody, parseRunBody, type RunInput, readRunBody } from '../protocol/run-body.js';
import { wipe } from '../protocol/wipe.js';
import type { ActivationTask, RunTask } from './messages.js';
import type { WorkerRuntime } from './runtime.js';
import { isOutOfResources, isWorthRetrying, RETRY_MS } from './start-errors.js';

/** Runs one activation (C-RUN-01 to C-RUN-26) and answers once its logs are complete. */
export function runActivation(task: RunTask, runtime: WorkerRuntime): Promise<RunAnswer> {
  const parsed = task.parsed ?? parseRunBody(task.body);
  return runRequest(readRunBody(task.body, parsed), task, runtime, parsed);
}

export const NOTHING_RAN = { logBytes: 0, argumentBytes: 0 };

/**
 * Runs a request that has been read.
 *
 * @param parsed goes back with the body if another init has taken its place
 */
export function runRequest(
  request: RunInput | Failure,
  task: ActivationTask,
  runtime: WorkerRuntime,
  parsed?: ParsedRunBody,
): Promise<RunAnswer> {
  const superseded = { body: task.body, ...(parsed !== undefined && { parsed }) };
  return new Promise((resolve) => {
    const facts = requestInfoOf(request);
    const { logs, limits } = runtime;
    const reported = (answer: RunAnswer): void => {
      // Node itself may not be done with writing it.
      if ('argument' in request && answer.stats.engine !== 'child_process') wipe(request.argument);
      resolve(answer);
    };
    const activation = new Activation(logs, limits, runtime.nextOwner(), facts, reported, task.time);
    if ('code' in request) {
      if (request.code === 'run_start_failed')
        refuseStart(runtime.getActionImage(task.generation, task.variables).exec, 'E2BIG', activation);
      else activation.refuse(request);
      return;
    }
    if (runtime.spawnLock.generation !== task.generation) {
      activation.cancel();
      resolve({ superseded, stats: NOTHING_RAN });
      return;
    }
    const action = runtime.getActionImage(task.generation, task.variables);
    const variables = withTrace(request.variables, task.trace);
    const start = { action, argument: request.argument, variables };
    runtime.startQueue.push(() => {
      startProcess(start, task.generation, activation, runtime)
        .then((outcome) => {
          if (outcome === undefined) return;
          activation.cancel();
          resolve({ superseded, stats: NOTHING_RAN });
        })
        .catch((error: unknown) => {
          activation.refuse({
            code: 'internal',
            detail: messageOf(error),
          });
        });
    });
  });
}

async function startProcess(
  request: StartRequest,
  generation: number,
  activation: Activation,
  runtime: WorkerRuntime,
): Promise<'superseded' | undefined> {
  const begunMs = performance.now();
  for (;;) {
    const errno = await tryEngines(request, generation, activation, runtime);
    if (errno === undefined || errno === 'superseded') return errno;
    if (errno !== 'closing' && !isWorthRetrying(errno, begunMs)) {
      refuseStart(request.action.exec, errno, activation);
      return undefined;
    }
    await delay(RETRY_MS);
  }
}

/** @returns what the system said, as `ENOENT`, or why nothing was begun; undefined once the process runs, or nobody waits for it any more */
async function tryEngines(
  request: StartRequest,
  generation: number,
  activation: Activation,
  runtime: WorkerRuntime,
): Promise<string | undefined> {
  let refusal: string | undefined;
  for (const engine of runtime.engines) {
    if (activation.isEnded) return undefined;
    const started = runtime.spawnLock.withRead(generation, () => engine.start(request, activation));
    if (typeof started === 'string') return started;
    // Awaited only where the engine needs it: a turn of the queue costs, and output may be there already.
    const outcome: StartOutcome = 'kind' in started ? started : await started;
    if (outcome.kind === 'failed') return outcome.errno;
    if (outcome.kind === 'killed') {
      activation.refuseForLackOfResources(outcome.errno);
      return undefined;
    }
    if (outcome.kind === 'started') {
      activation.started(outcome.process, engine.name, refusal);
      return undefined;
    }
    refusal ??= outcome.reason;
  }
  return 'ENOSYS';
}

function refuseStart(exec: string, errno: string, activation: Activation): void {
  if (isOutOfResources(errno)) {
    activation.refuseForLackOfResources(errno);
    return;
  }
  const { kind, reason, text } = diagnoseStartFailure(exec, errno);
  activation.refuse({ code: kind === 'no_exec' ? 'run_no_exec' : 'run_start_failed', reason }, text);
}
