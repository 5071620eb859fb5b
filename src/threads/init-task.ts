import { join } from 'node:path';
import { InitTimeLimit } from '../action/init-time-limit.js';
import { install } from '../action/install.js';
import { type LogStreams, whenWritten, writeSentinels } from '../activation/activation-log.js';
import { NO_OWNER } from '../logging/action-log/log-stream.js';
import { haveScriptsOpened } from '../os/script-starts.js';
import type { InitAnswer } from '../protocol/answer.js';
import { errorRowOf, type Failure, textOfFailure } from '../protocol/errors.js';
import { type InitRequest, readInitBody } from '../protocol/init-body.js';
import { MESSAGE_TWICE } from '../protocol/texts.js';
import type { InitTask } from './messages.js';
import type { WorkerRuntime } from './runtime.js';

/** Initialises the action (C-INIT-01 to C-INIT-28) and answers once the logs of a failure are complete. */
export function runInit({ body }: InitTask, runtime: WorkerRuntime): Promise<InitAnswer> {
  return initialise(() => readInitBody(body), runtime);
}

/** Initialises the action by a request that it reads first. */
export async function initialise(
  read: () => InitRequest | Failure,
  runtime: WorkerRuntime,
): Promise<InitAnswer> {
  const begunMs = performance.now();
  const request = read();
  if (!('variables' in request)) return refuse(request, runtime.logs, begunMs, 0);
  const codeBytes = sizeOf(request.code);
  const { settings, spawnLock, logs, limits } = runtime;
  const { actionRoot, shared } = settings;
  const timeLimit = new InitTimeLimit(limits.clock, settings.initTimeoutMs, limits.killedAtShutdown);
  const { failure, warning, unpackedBytes } = await install(request.code, {
    ...{ actionRoot, limits: settings, timeLimit, scope: runtime.scope },
    runExclusively: (work) =>
      spawnLock.withWrite(work, () => haveScriptsOpened(shared.resourceTable, join(actionRoot, 'exec'))),
  }).finally(() => timeLimit.close());
  // No file is replaced, and still the variables are those of another init.
  if (failure === undefined && request.code.kind === 'none') await spawnLock.withWrite(() => {});
  const installMs = performance.now() - begunMs;
  if (failure !== undefined) return { ...(await refuse(failure, logs, begunMs, codeBytes)), installMs };
  const variables = request.variables.length === 0 ? '' : JSON.stringify(request.variables);
  return {
    variables,
    durationMs: performance.now() - begunMs,
    installMs,
    codeBytes,
    unpackedBytes,
    ...(warning !== undefined && { warning }),
  };
}

/** Refuses an init that came too late, before its body is parsed (C-INIT-20). */
export async function refuseInit(runtime: WorkerRuntime): Promise<InitAnswer> {
  runtime.logs.stderr.writeOrDrop(NO_OWNER, Buffer.from(`${MESSAGE_TWICE}\n`));
  await whenWritten(runtime.logs);
  return { failure: { code: 'init_twice' }, durationMs: 0, codeBytes: 0 };
}

function sizeOf(code: { kind: string; zip?: Buffer; text?: Buffer }): number {
  return (code.zip ?? code.text)?.length ?? 0;
}

async function refuse(
  failure: Failure,
  logs: LogStreams,
  begunMs: number,
  codeBytes: number,
): Promise<InitAnswer> {
  if (errorRowOf(failure.code).sentinels) {
    // The plain text of the contract says "see logs"; the other texts are the reason themselves.
    const reason =
      failure.code === 'init_no_exec' && failure.detail !== undefined
        ? failure.detail
        : `error: ${textOfFailure(failure)}`;
    logs.stdout.writeOrDrop(NO_OWNER, Buffer.from(`${reason}\n`));
    await writeSentinels(logs);
  }
  return { failure, durationMs: performance.now() - begunMs, codeBytes };
}
