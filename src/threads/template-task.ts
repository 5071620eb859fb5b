import { threadProcPath } from '../engines/forkserver/build/thread-proc-path.js';
import type { TemplateAnswer } from '../engines/forkserver/templates/remote-manager.js';
import { messageOf } from '../protocol/message-of.js';
import type { TemplateTask } from './messages.js';
import type { WorkerRuntime } from './runtime.js';

/** Makes a template process for the main thread, whose children are to be only what actions leave behind. */
export function runTemplateTask(task: TemplateTask, runtime: WorkerRuntime): TemplateAnswer {
  const { generation, variables, layout, socket } = task;
  const action = runtime.getActionImage(generation, variables);
  try {
    const built = runtime.buildTemplate?.({ action, layout, socket });
    if (built === undefined) return { reason: 'this engine has no templates' };
    const { pid, retryReason, dependencies } = built;
    return {
      pid,
      dependencies: dependencies.snapshot,
      parent: threadProcPath(),
      ...(retryReason && { retryReason }),
    };
  } catch (error) {
    return { reason: messageOf(error) };
  }
}
