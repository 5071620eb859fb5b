import { wipe } from '../contract/wipe.js';
import type { WorkerTask } from '../pool/messages.js';
import { buffersPassed } from '../process/memory-relief.js';
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
      wipe(task.body);
      buffersPassed(task.body.byteLength + (answer.result?.byteLength ?? 0) + answer.facts.logBytes);
      return answer;
    }
    case 'init': {
      const { init } = await inits();
      const answer = await init(task, thread);
      wipe(task.body);
      buffersPassed(task.body.byteLength + answer.codeBytes);
      return answer;
    }
    case 'refuse-init':
      return (await inits()).refuseInit(thread);
    case 'sentinels':
      await (await inits()).writeSentinels(thread.logs);
      return undefined;
    case 'loop-install':
      return (await loopTasks()).installTask(task, thread);
    case 'loop-process':
      return (await loopTasks()).processTask(task, thread);
    case 'loop-line':
      return (await import('../actionloop/run-line.js')).lineOf(task.body);
    case 'template':
      return (await import('./make-template.js')).makeTemplate(task, thread);
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

/** Imported when the first one comes: a cold start of an image with its own action goes without. */
function inits(): Promise<typeof import('./init.js')> {
  return import('./init.js');
}

/** Imported only where that protocol is in use. */
function loopTasks(): Promise<typeof import('../actionloop/worker-tasks.js')> {
  return import('../actionloop/worker-tasks.js');
}
