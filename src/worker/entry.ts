import { wipe } from '../contract/wipe.js';
import type { WorkerTask } from '../pool/messages.js';
import { buffersPassed, free } from '../process/memory-relief.js';
import { moving } from './moved.js';
import { run } from './run.js';
import { createRuntime } from './runtime.js';

const runtime = createRuntime();
// The first task tells of a failure; until then it is no unhandled one.
runtime.catch(() => {});

/** What the pool calls for each task. */
export default async function handle(task: WorkerTask): Promise<unknown> {
  const thread = await runtime;
  switch (task.kind) {
    case 'run': {
      thread.lag?.touch();
      const answer = await run(task, thread);
      buffersPassed(task.body.byteLength + (answer.result?.byteLength ?? 0) + answer.facts.logBytes);
      const goesOn = answer.bringsInit?.body ?? answer.superseded;
      // Node itself may not be done with writing it.
      if (goesOn === undefined && answer.facts.engine !== 'child_process') {
        wipe(task.body);
        free(task.body);
      }
      return moving(answer, answer.result, answer.shaped?.body, goesOn);
    }
    case 'init': {
      const { init } = await inits();
      const { byteLength } = task.body;
      const answer = await init(task, thread);
      buffersPassed(byteLength + answer.codeBytes);
      wipe(task.body);
      free(task.body);
      return answer;
    }
    case 'refuse-init':
      return (await inits()).refuseInit(thread);
    case 'loop-install':
      return (await loopTasks()).installTask(task, thread);
    case 'loop-process':
      return (await loopTasks()).processTask(task, thread);
    case 'loop-line':
      return loopLine(task.body);
    case 'judge': {
      const { judge } = await import('../contract/result.js');
      const { buffer, byteOffset, byteLength } = task.line;
      const judged = judge(Buffer.from(buffer, byteOffset, byteLength), task.whole);
      buffersPassed(task.line.byteLength);
      if (judged.result?.buffer !== buffer) free(task.line);
      return moving(judged, judged.result);
    }
    case 'deadline': {
      const { deadlineIn } = await import('../contract/deadline.js');
      const deadlineEpochMs = deadlineIn(task.body);
      return moving(
        { ...(deadlineEpochMs !== undefined && { deadlineEpochMs }), body: task.body },
        task.body,
      );
    }
    case 'template':
      return (await import('./make-template.js')).makeTemplate(task, thread);
    case 'kill':
      for (const activation of [...thread.limits.underWay]) activation.endForShutdown();
      return undefined;
    case 'close':
      thread.close();
      return undefined;
    case 'hello':
      return {
        engine: thread.engines[0]?.name ?? 'none',
        fallbackReason: thread.fallbackReason,
        inspectable: thread.inspectable,
      };
  }
}

async function loopLine(body: Uint8Array): Promise<unknown> {
  const line = (await import('../actionloop/run-line.js')).lineOf(body);
  buffersPassed(body.byteLength);
  free(body);
  return 'code' in line ? line : moving(line, line);
}

/** Imported when the first one comes: a cold start of an image with its own action goes without. */
function inits(): Promise<typeof import('./init.js')> {
  return import('./init.js');
}

/** Imported only where that protocol is in use. */
function loopTasks(): Promise<typeof import('../actionloop/worker-tasks.js')> {
  return import('../actionloop/worker-tasks.js');
}
