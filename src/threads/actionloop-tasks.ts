import { type ActionLoopInstallFailure, installActionLoop } from '../action/actionloop/install.js';
import { InitTimeLimit } from '../action/init-time-limit.js';
import { actionLoopEnvironment } from '../protocol/actionloop/environment.js';
import { readActionLoopInitBody } from '../protocol/actionloop/init-body.js';
import type { ProcessExit } from '../protocol/answer.js';
import { entryName, inheritedEntries } from '../protocol/environment.js';
import type {
  ActionLoopCommand,
  ActionLoopInstallAnswer,
  ActionLoopInstallTask,
  ActionLoopProcessTask,
  ActionLoopStarted,
} from './messages.js';
import type { WorkerRuntime } from './runtime.js';

/** By which a launcher knows that each activation has a process of its own. */
const ISOLATION = ['HYPERSKELETON_ISOLATION', 'activation'] as const;

/** Installs the upload of an init (C-AL-02 to C-AL-12); its processes are started by others. */
export async function runInstallTask(
  task: ActionLoopInstallTask,
  runtime: WorkerRuntime,
): Promise<ActionLoopInstallAnswer> {
  const begunMs = performance.now();
  const request = readActionLoopInitBody(task.body);
  const answered = (codeBytes: number, rest: Partial<ActionLoopInstallFailure>): ActionLoopInstallAnswer => ({
    durationMs: performance.now() - begunMs,
    ...(codeBytes > 0 && { installMs: performance.now() - begunMs }),
    codeBytes,
    ...rest,
  });
  if (!('variables' in request)) return answered(0, { failure: request });
  const { settings, limits } = runtime;
  const inherited = inheritedEntries(Buffer.from(settings.environment));
  const environment = actionLoopEnvironment(inherited, settings.version, [
    ...(task.isolated ? [ISOLATION] : []),
    ...request.variables,
  ]);
  const codeBytes = request.code.length;
  const timeLimit = new InitTimeLimit(limits.clock, task.timeoutMs, limits.killedAtShutdown);
  const outcome = await installActionLoop({
    code: request.code,
    main: request.main,
    actionRoot: settings.actionRoot,
    limits: settings,
    compiler: variableIn(inherited, 'OW_COMPILER'),
    executionEnvironment: variableIn(inherited, 'OW_EXECUTION_ENV'),
    environment,
    timeLimit,
    confinement: runtime.confinement,
    scope: runtime.scope,
  }).finally(() => timeLimit.close());
  if ('failure' in outcome) return answered(codeBytes, outcome);
  const { folder, exec, unpackedBytes } = outcome;
  const image = { folder, exec, environment: environmentBlockOf(environment) };
  return { ...answered(codeBytes, {}), unpackedBytes, image };
}

/** Starts a process and watches over it until it has been reaped. */
export function runProcessTask(
  { image, logs, port }: ActionLoopProcessTask,
  { startActionLoop }: WorkerRuntime,
): Promise<ProcessExit> {
  const child =
    startActionLoop === undefined
      ? 'ENOSYS'
      : startActionLoop({ exec: image.exec, environment: entriesOf(image.environment), logs });
  if (typeof child === 'string') {
    port.postMessage({ errno: child } satisfies ActionLoopStarted);
    port.close();
    return Promise.resolve({});
  }
  const { pid, stdin, answers } = child;
  port.on('message', (command: ActionLoopCommand) => {
    if (command === 'taken') child.pipesTransferred();
    else child.kill(command);
  });
  port.postMessage({ pid, stdin, answers } satisfies ActionLoopStarted);
  return child.exited.finally(() => port.close());
}

function variableIn(entries: readonly Buffer[], name: string): string | undefined {
  const entry = entries.find((candidate) => entryName(candidate) === name);
  const value = entry?.toString('utf8', name.length + 1);
  return value === '' ? undefined : value;
}

function environmentBlockOf(entries: readonly Buffer[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(entries.flatMap((entry) => [entry, Buffer.of(0)])));
}

export function entriesOf(block: Uint8Array): Buffer[] {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  const entries: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    entries.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return entries;
}
