import { setTimeout as delay } from 'node:timers/promises';
import { explainStart } from '../action/explain-start.js';
import { type RunRequest, readRunBody } from '../contract/run-body.js';
import { wipe } from '../contract/wipe.js';
import { type Failure, rowOf } from '../errors/table.js';
import type { KnativeContext, RunAnswer, RunTask } from '../pool/messages.js';
import type { StartOutcome, StartRequest } from '../process/engines/engine.js';
import { Activation } from './activation.js';
import { MIN_MOVED_BYTES } from './moved.js';
import { refuseForWant } from './refuse-for-want.js';
import { factsOf, withTrace } from './request-parts.js';
import type { WorkerRuntime } from './runtime.js';

/**
 * What passes by itself, and how long it is waited for: a file just written may be held open for a moment by a
 * process on its way to exec, in any thread; descriptors and processes come back as other runs end.
 */
const PASSING_MS: Readonly<Record<string, number>> = {
  ETXTBSY: 200,
  EMFILE: 3000,
  ENFILE: 3000,
  EAGAIN: 1000,
};
const RETRY_MS = 5;

/** The machine's limits, not the action's fault. */
const OUT_OF_RESOURCES = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** Runs one activation (section 3) and answers once its logs are complete. */
export function run(task: RunTask, runtime: WorkerRuntime): Promise<RunAnswer> {
  return task.knative === undefined
    ? runRequest(readRunBody(task.body), task, runtime)
    : runKnative(task, task.knative, runtime);
}

/** The translation in front of it (section 4); imported only in that mode. */
async function runKnative(
  task: RunTask,
  context: KnativeContext,
  runtime: WorkerRuntime,
): Promise<RunAnswer> {
  const [{ readKnativeRequest }, { shapeResult }] = await Promise.all([
    import('../knative/request.js'),
    import('../knative/response.js'),
  ]);
  const read = readKnativeRequest(task.body, context);
  if ('code' in read && !rowOf(read.code).sentinels) return { failure: read, facts: NOTHING_RAN };
  if ('kind' in read && read.kind === 'init') {
    const { init, rest } = read;
    return {
      bringsInit: {
        ...init,
        ...(rest !== undefined && { rest: new Uint8Array(rest) }),
        body: task.body,
      },
      facts: NOTHING_RAN,
    };
  }
  const answer = await runRequest('code' in read ? read : read.request, task, runtime);
  if (answer.result === undefined) return answer;
  const { buffer, byteOffset, byteLength } = answer.result;
  const shaped = shapeResult(
    Buffer.from(buffer, byteOffset, byteLength),
    context.accessControlRequestHeaders,
  );
  if ('code' in shaped) return { failure: shaped, facts: answer.facts };
  // A message copies, or moves, all of the buffer under a view.
  const body = shaped.body.byteLength < MIN_MOVED_BYTES ? new Uint8Array(shaped.body) : shaped.body;
  return { shaped: { ...shaped, body }, facts: answer.facts };
}

const NOTHING_RAN = { logBytes: 0, argumentBytes: 0 };

function runRequest(
  request: RunRequest | Failure,
  task: RunTask,
  runtime: WorkerRuntime,
): Promise<RunAnswer> {
  return new Promise((resolve) => {
    const facts = factsOf(request);
    const { logs, limits } = runtime;
    const told = (answer: RunAnswer): void => {
      // Node itself may not be done with writing it.
      if ('argument' in request && answer.facts.engine !== 'child_process') wipe(request.argument);
      resolve(answer);
    };
    const activation = new Activation(logs, limits, runtime.nextOwner(), facts, told, task.time);
    if ('code' in request) {
      if (request.code === 'run_start_failed')
        refuseStart(runtime.actionOf(task.generation, task.variables).exec, 'E2BIG', activation);
      else activation.refuse(request);
      return;
    }
    if (runtime.gate.generation !== task.generation) {
      activation.abandon();
      resolve({ superseded: task.body, facts: NOTHING_RAN });
      return;
    }
    const action = runtime.actionOf(task.generation, task.variables);
    const variables = withTrace(request.variables, task.trace);
    const start = { action, argument: request.argument, variables };
    runtime.starts.push(() => {
      begin(start, task.generation, activation, runtime)
        .then((outcome) => {
          if (outcome === undefined) return;
          activation.abandon();
          resolve({ superseded: task.body, facts: NOTHING_RAN });
        })
        .catch((error: unknown) => {
          activation.refuse({
            code: 'internal',
            detail: error instanceof Error ? error.message : String(error),
          });
        });
    });
  });
}

async function begin(
  request: StartRequest,
  generation: number,
  activation: Activation,
  runtime: WorkerRuntime,
): Promise<'superseded' | undefined> {
  const begunMs = performance.now();
  for (;;) {
    const errno = await tryEngines(request, generation, activation, runtime);
    if (errno === undefined || errno === 'superseded') return errno;
    if (errno !== 'closing' && performance.now() - begunMs >= (PASSING_MS[errno] ?? 0)) {
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
    const started = runtime.gate.starting(generation, () => engine.start(request, activation));
    if (typeof started === 'string') return started;
    // Awaited only where the engine needs it: a turn of the queue costs, and output may be there already.
    const outcome: StartOutcome = 'kind' in started ? started : await started;
    if (outcome.kind === 'failed') return outcome.errno;
    if (outcome.kind === 'killed') {
      refuseForWant(outcome.errno, activation);
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
  if (OUT_OF_RESOURCES.has(errno)) {
    refuseForWant(errno, activation);
    return;
  }
  const { kind, reason, text } = explainStart(exec, errno);
  activation.refuse({ code: kind === 'no_exec' ? 'run_no_exec' : 'run_start_failed', reason }, text);
}
