import type { HelloAnswer, InitAnswer, RunAnswer, WorkerTask } from '../pool/messages.js';
import { buffersPassed } from '../process/memory-relief.js';
import { init, refuseInit, writeSentinels } from './init.js';
import { run } from './run.js';
import { createRuntime } from './runtime.js';

const runtime = createRuntime();
// The first task tells of a failure; until then it is no unhandled one.
runtime.catch(() => {});

/** What the pool calls for each task. */
export default async function handle(
  task: WorkerTask,
): Promise<RunAnswer | InitAnswer | HelloAnswer | undefined> {
  const thread = await runtime;
  switch (task.kind) {
    case 'run': {
      const answer = await run(task, thread);
      buffersPassed(task.body.byteLength + (answer.result?.byteLength ?? 0) + answer.facts.logBytes);
      return answer;
    }
    case 'init': {
      const answer = await init(task, thread);
      buffersPassed(task.body.byteLength + answer.codeBytes);
      return answer;
    }
    case 'refuse-init':
      return refuseInit(thread);
    case 'sentinels':
      await writeSentinels(thread.logs);
      return undefined;
    case 'close':
      thread.close();
      return undefined;
    case 'hello':
      return { engine: thread.engines[0]?.name ?? 'none', fallbackReason: thread.fallbackReason };
  }
}
