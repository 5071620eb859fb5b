import { join } from 'node:path';
import { InitLimit } from '../action/init-limit.js';
import { install } from '../action/install.js';
import { type InitRequest, readInitBody } from '../contract/init-body.js';
import { MESSAGE_TWICE } from '../contract/messages.js';
import { type Failure, rowOf, textOfFailure } from '../errors/table.js';
import { NOBODY } from '../logs/log-stream.js';
import type { InitAnswer, InitTask } from '../pool/messages.js';
import { areScriptsOpen } from '../process/script-starts.js';
import { type LogStreams, writeSentinels, written } from './activation-log.js';
import type { WorkerRuntime } from './runtime.js';

/** Initialises the action (section 2) and answers once the logs of a failure are complete. */
export async function init(task: InitTask, runtime: WorkerRuntime): Promise<InitAnswer> {
  const begunMs = performance.now();
  const request = task.knative ? await readOfKnative(task.body) : readInitBody(task.body);
  if (!('variables' in request)) return refused(request, runtime.logs, begunMs, 0);
  const codeBytes = sizeOf(request.code);
  const { settings, gate, logs, limits } = runtime;
  const { actionRoot, shared } = settings;
  const limit = new InitLimit(limits.clock, settings.initTimeoutMs, limits.killedAtShutdown);
  const { failure, unpackedBytes } = await install(request.code, {
    ...{ actionRoot, limits: settings, limit, scope: runtime.scope },
    exclusively: (work) =>
      gate.replacing(work, () => areScriptsOpen(shared.ledgers, join(actionRoot, 'exec'))),
  }).finally(() => limit.close());
  // No file is replaced, and still the variables are those of another init.
  if (failure === undefined && request.code.kind === 'none') await gate.replacing(() => {});
  const installMs = performance.now() - begunMs;
  if (failure !== undefined) return { ...(await refused(failure, logs, begunMs, codeBytes)), installMs };
  const variables = request.variables.length === 0 ? '' : JSON.stringify(request.variables);
  return { variables, durationMs: performance.now() - begunMs, installMs, codeBytes, unpackedBytes };
}

/** Imported only in that mode. */
async function readOfKnative(body: Uint8Array): Promise<InitRequest | Failure> {
  const { readKnativeInit } = await import('../knative/request.js');
  return readKnativeInit(body);
}

/** Answers an init that came too late (C-INIT-20): told before its body is parsed (D-05). */
export async function refuseInit(runtime: WorkerRuntime): Promise<InitAnswer> {
  runtime.logs.stderr.offer(NOBODY, Buffer.from(`${MESSAGE_TWICE}\n`));
  await written(runtime.logs);
  return { failure: { code: 'init_twice' }, durationMs: 0, codeBytes: 0 };
}

function sizeOf(code: { kind: string; zip?: Buffer; text?: Buffer }): number {
  return (code.zip ?? code.text)?.length ?? 0;
}

async function refused(
  failure: Failure,
  logs: LogStreams,
  begunMs: number,
  codeBytes: number,
): Promise<InitAnswer> {
  if (rowOf(failure.code).sentinels) {
    // The plain text of the contract says "see logs"; the other texts are the reason themselves.
    const reason =
      failure.code === 'init_no_exec' && failure.detail !== undefined
        ? failure.detail
        : `error: ${textOfFailure(failure)}`;
    logs.stdout.offer(NOBODY, Buffer.from(`${reason}\n`));
    await writeSentinels(logs);
  }
  return { failure, durationMs: performance.now() - begunMs, codeBytes };
}
