import { MIN_TRANSFERRED_BYTES } from '../os/transfer.js';
import type { InitAnswer } from '../protocol/answer.js';
import { errorRowOf } from '../protocol/errors.js';
import { readKnativeInit, readKnativeRequest } from '../protocol/knative/request.js';
import { type KnativeAnswer, shapeResult } from '../protocol/knative/response.js';
import { initialise } from './init-task.js';
import type { InitTask, KnativeRunTask } from './messages.js';
import { NOTHING_RAN, runRequest } from './run-task.js';
import type { WorkerRuntime } from './runtime.js';

/** Runs a request in Knative mode: the translation in front of an activation (C-KN-01 to C-KN-21). */
export async function runKnativeTask(task: KnativeRunTask, runtime: WorkerRuntime): Promise<KnativeAnswer> {
  const { body, context } = task;
  const read = readKnativeRequest(body, context);
  if ('code' in read && !errorRowOf(read.code).sentinels) return { failure: read, stats: NOTHING_RAN };
  if ('kind' in read && read.kind === 'init') {
    const { init, rest } = read;
    const embeddedInit = { ...init, ...(rest !== undefined && { rest: new Uint8Array(rest) }), body };
    return { embeddedInit, stats: NOTHING_RAN };
  }
  const answer = await runRequest('code' in read ? read : read.request, task, runtime);
  if (answer.result === undefined) return answer;
  const { buffer, byteOffset, byteLength } = answer.result;
  const shaped = shapeResult(
    Buffer.from(buffer, byteOffset, byteLength),
    context.accessControlRequestHeaders,
  );
  if ('code' in shaped) return { failure: shaped, stats: answer.stats };
  const { body: shapedBody, ...shape } = shaped;
  // A message copies, or moves, all of the buffer under a view.
  const result = shapedBody.byteLength < MIN_TRANSFERRED_BYTES ? new Uint8Array(shapedBody) : shapedBody;
  return { result, shape, stats: answer.stats };
}

/** Initialises the action from the `init` of a request in Knative mode. */
export function initialiseFromKnative({ body }: InitTask, runtime: WorkerRuntime): Promise<InitAnswer> {
  return initialise(() => readKnativeInit(body), runtime);
}
