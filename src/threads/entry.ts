import { freeBuffer, scheduleIdleGc } from '../os/idle-gc.js';
import { withTransfer } from '../os/transfer.js';
import type { RunAnswer } from '../protocol/answer.js';
import { parseRunBody } from '../protocol/run-body.js';
import { wipe } from '../protocol/wipe.js';
import type { ActivationTask, WorkerSettings, WorkerTask } from './messages.js';
import { runActivation } from './run-task.js';
import { createRuntime } from './runtime.js';

const runtime = createRuntime();
// The first task tells of a failure; until then it is no unhandled one.
runtime.catch(() => {});

/** What the pool calls for each task. */
export default async function handleTask(task: WorkerTask): Promise<unknown> {
  const thread = await runtime;
  switch (task.kind) {
    case 'run':
      thread.lag?.touch();
      return finishRun(task, await runActivation(task, thread));
    case 'knative-run': {
      thread.lag?.touch();
      const { runKnativeTask } = await loadKnativeTasks();
      const answer = await runKnativeTask(task, thread);
      return finishRun(task, answer, answer.embeddedInit?.body);
    }
    case 'init':
    case 'knative-init': {
      const { byteLength } = task.body;
      const answer =
        task.kind === 'init'
          ? await (await loadInits()).runInit(task, thread)
          : await (await loadKnativeTasks()).initialiseFromKnative(task, thread);
      scheduleIdleGc(byteLength + answer.codeBytes);
      wipe(task.body);
      freeBuffer(task.body);
      return answer;
    }
    case 'refuse-init':
      return (await loadInits()).refuseInit(thread);
    case 'actionloop-install':
      return (await loadActionLoopTasks()).runInstallTask(task, thread);
    case 'actionloop-process':
      return (await loadActionLoopTasks()).runProcessTask(task, thread);
    case 'isolated-prepare':
      return (await loadIsolatedTasks()).prepareIsolated(task, thread);
    case 'isolated-run': {
      thread.lag?.touch();
      const answer = await (await loadIsolatedTasks()).runIsolated(task, thread);
      scheduleIdleGc(task.body.byteLength + (answer.result?.byteLength ?? 0) + answer.stats.logBytes);
      wipe(task.body);
      freeBuffer(task.body);
      return withTransfer(answer, answer.result);
    }
    case 'isolated-forget':
      return (await loadIsolatedTasks()).forgetIsolated(task.folder, thread);
    case 'actionloop-line':
      return encodeActionLoopLine(task.body);
    case 'judge': {
      const { judgeResult } = await import('../protocol/result.js');
      const { buffer, byteOffset, byteLength } = task.line;
      const judged = judgeResult(Buffer.from(buffer, byteOffset, byteLength), task.whole);
      scheduleIdleGc(task.line.byteLength);
      if (judged.result?.buffer !== buffer) freeBuffer(task.line);
      return withTransfer(judged, judged.result);
    }
    case 'parse': {
      const parsed = parseRunBody(task.body);
      return withTransfer({ parsed, body: task.body }, task.body);
    }
    case 'template':
      return (await import('./template-task.js')).runTemplateTask(task, thread);
    case 'kill':
      for (const activation of [...thread.limits.inFlight]) activation.endForShutdown();
      return undefined;
    case 'close':
      thread.close();
      return undefined;
    case 'preload':
      await preload(thread.settings.protocol);
      return undefined;
    case 'hello':
      return {
        engine: thread.engines[0]?.name ?? 'none',
        fallbackReason: thread.fallbackReason,
        inspectable: thread.inspectable,
      };
  }
}

async function encodeActionLoopLine(body: Uint8Array): Promise<unknown> {
  const line = (await import('../protocol/actionloop/request-line.js')).encodeRequestLine(body);
  scheduleIdleGc(body.byteLength);
  freeBuffer(body);
  return 'code' in line ? line : withTransfer(line, line);
}

/** @param goesOn a body that is needed on */
function finishRun(task: ActivationTask, answer: RunAnswer, goesOn = answer.superseded?.body): unknown {
  scheduleIdleGc(task.body.byteLength + (answer.result?.byteLength ?? 0) + answer.stats.logBytes);
  // Node itself may not be done with writing it.
  if (goesOn === undefined && answer.stats.engine !== 'child_process') {
    wipe(task.body);
    freeBuffer(task.body);
  }
  return withTransfer(answer, answer.result, goesOn);
}

/** Loads what the first init needs. */
async function preload(protocol: WorkerSettings['protocol']): Promise<void> {
  await Promise.all([protocol === 'classic' ? loadInits() : loadActionLoopTasks(), loadUnzipping()]);
}

/** Imported when the first one comes, or when nothing else is to be done: an image with its own action begins without. */
function loadInits(): Promise<typeof import('./init-task.js')> {
  return import('./init-task.js');
}

/** Imported only in that mode. */
function loadKnativeTasks(): Promise<typeof import('./knative-tasks.js')> {
  return import('./knative-tasks.js');
}

async function loadUnzipping(): Promise<void> {
  await Promise.all([import('../action/archive/unpack-zip.js'), import('adm-zip')]);
}

/** Imported only where that protocol is in use. */
function loadActionLoopTasks(): Promise<typeof import('./actionloop-tasks.js')> {
  return import('./actionloop-tasks.js');
}

/** Imported only where each activation has a process of its own. */
function loadIsolatedTasks(): Promise<typeof import('./isolated-tasks.js')> {
  return import('./isolated-tasks.js');
}
