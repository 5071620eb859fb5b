import { setTimeout as delay } from 'node:timers/promises';
import { whenWritten } from '../activation/activation-log.js';
import { IsolatedActivation } from '../activation/isolated-activation.js';
import type { IsolatedEngine } from '../engines/forkserver/waiting/engine.js';
import { type IsolatedImage, LoadingProcess } from '../engines/forkserver/waiting/loading-process.js';
import { NO_OWNER } from '../logging/action-log/log-stream.js';
import { judgeAcknowledgedStart, MIN_UPTIME_MS } from '../protocol/actionloop/acknowledgement.js';
import { encodeRequestLine } from '../protocol/actionloop/request-line.js';
import type { RunAnswer } from '../protocol/answer.js';
import { messageOf } from '../protocol/message-of.js';
import { MESSAGE_EXITED } from '../protocol/texts.js';
import { wipe } from '../protocol/wipe.js';
import { entriesOf } from './actionloop-tasks.js';
import type { ActionLoopImage, IsolatedPrepared, IsolatedPrepareTask, IsolatedRunTask } from './messages.js';
import type { WorkerRuntime } from './runtime.js';
import { isOutOfResources, isWorthRetrying, RETRY_MS } from './start-errors.js';

/** So long after SIGKILL what a process wrote is waited for. */
const MAX_EXIT_MS = 500;
/** Of the one activation that a process has, where lines are numbered. */
const NUMBER = Buffer.from('1 ');
const NO_NUMBER = Buffer.alloc(0);

let known: IsolatedImage | undefined;

/** Starts a process of the action and waits until it may be given work (C-AL-09, C-AL-10); clones are made of it. */
export async function prepareIsolated(
  { image, timeoutMs }: IsolatedPrepareTask,
  runtime: WorkerRuntime,
): Promise<IsolatedPrepared> {
  const engine = await engineOf(runtime);
  const process = LoadingProcess.start(imageOf(image), engine.parts);
  if (typeof process === 'string') return { problem: MESSAGE_EXITED, numbered: false };
  const { acknowledges } = engine.parts;
  const exited = process.child.exited.then(() => 'exited' as const);
  const outcome = await runtime.limits.clock.withTimeout(
    acknowledges ? timeoutMs : MIN_UPTIME_MS,
    acknowledges ? Promise.race([process.firstLine, exited]) : exited,
  );
  const prepared = preparedOf(outcome, acknowledges, timeoutMs);
  if (prepared.problem === undefined && engine.parts.clones) engine.templates.adopt(imageOf(image), process);
  else process.kill();
  if (prepared.problem !== undefined) await Promise.race([process.child.exited, delay(MAX_EXIT_MS)]);
  // What it has printed until now is there before the init is answered.
  process.readLogs();
  await whenWritten(runtime.logs);
  return prepared;
}

function preparedOf(
  outcome: Buffer | 'exited' | 'late',
  acknowledges: boolean,
  timeoutMs: number,
): IsolatedPrepared {
  if (!acknowledges) return { ...(outcome === 'exited' && { problem: MESSAGE_EXITED }), numbered: false };
  const acknowledgement = judgeAcknowledgedStart(outcome, Math.round(timeoutMs));
  return typeof acknowledgement === 'string'
    ? { problem: acknowledgement, numbered: false }
    : { numbered: acknowledgement.numbered };
}

/** Lets go what was prepared of an image. */
export async function forgetIsolated(folder: string, runtime: WorkerRuntime): Promise<void> {
  if (known?.folder === folder) known = undefined;
  (await engineOf(runtime)).forgetImage(folder);
}

/** Runs one activation in a process of its own, and answers once its logs are complete. */
export async function runIsolated(task: IsolatedRunTask, runtime: WorkerRuntime): Promise<RunAnswer> {
  const engine = await engineOf(runtime);
  const encoded = encodeRequestLine(task.body);
  const line = 'code' in encoded ? undefined : task.numbered ? Buffer.concat([NUMBER, encoded]) : encoded;
  return new Promise((resolve) => {
    const facts = { argumentBytes: line?.length ?? 0 };
    const reported = (answer: RunAnswer): void => {
      if (line !== undefined) wipe(line);
      resolve(answer);
    };
    const { logs, limits } = runtime;
    const owner = runtime.nextOwner();
    const protocol = {
      acknowledges: engine.parts.acknowledges,
      answerPrefix: task.numbered ? NUMBER : NO_NUMBER,
    };
    const isolated = new IsolatedActivation(
      ...([logs, limits, owner, facts, reported, task.time, protocol] as const),
    );
    if ('code' in encoded || line === undefined) {
      isolated.activation.refuse('code' in encoded ? encoded : { code: 'internal' });
      return;
    }
    runtime.startQueue.push(() => {
      startProcess(engine, task, line, isolated).catch((error: unknown) => {
        isolated.activation.refuse({ code: 'internal', detail: messageOf(error) });
      });
    });
  });
}

async function startProcess(
  engine: IsolatedEngine,
  { image }: IsolatedRunTask,
  line: Buffer,
  isolated: IsolatedActivation,
): Promise<void> {
  const begunMs = performance.now();
  for (;;) {
    if (isolated.activation.isEnded) return;
    const outcome = await engine.start(imageOf(image), line, isolated);
    if (outcome.kind === 'started') return;
    const { errno } = outcome;
    if (outcome.kind === 'killed' || !isWorthRetrying(errno, begunMs)) {
      if (isOutOfResources(errno)) isolated.activation.refuseForLackOfResources(errno);
      else isolated.activation.refuse({ code: 'loop_not_restarted' });
      return;
    }
    await delay(RETRY_MS);
  }
}

function engineOf({ isolated, logs }: WorkerRuntime): Promise<IsolatedEngine> {
  if (isolated === undefined) throw new Error('the C library can not be called');
  return isolated((stream, bytes) => {
    logs[stream].writeOrDrop(NO_OWNER, bytes);
  });
}

/** The image in the form that processes are started from; the last one is kept. */
function imageOf({ folder, exec, environment }: ActionLoopImage): IsolatedImage {
  if (known?.folder !== folder) known = { folder, exec, environment: entriesOf(environment) };
  return known;
}
