import type { TemplateAnswer, TemplateTask } from '../pool/messages.js';
import { thisThread } from '../process/engines/forkserver/this-thread.js';
import type { WorkerRuntime } from './runtime.js';

/** Makes a template process for the main thread, whose children are to be only what actions leave behind. */
export function makeTemplate(task: TemplateTask, runtime: WorkerRuntime): TemplateAnswer {
  const { generation, variables, shape, socket } = task;
  const action = runtime.actionOf(generation, variables);
  try {
    const built = runtime.buildTemplate?.({ action, shape, socket });
    if (built === undefined) return { reason: 'this engine has no templates' };
    const { pid, notYet, identity } = built;
    return { pid, identity: identity.facts, parent: thisThread(), ...(notYet && { notYet }) };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}
