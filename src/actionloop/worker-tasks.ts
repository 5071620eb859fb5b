import { InitLimit } from '../action/init-limit.js';
import { entryName, inheritedEntries } from '../contract/environment.js';
import type {
  LoopCommand,
  LoopInstallAnswer,
  LoopInstallTask,
  LoopProcessTask,
  LoopStarted,
} from '../pool/messages.js';
import type { ProcessExit } from '../process/engines/engine.js';
import type { WorkerRuntime } from '../worker/runtime.js';
import { loopEnvironment } from './environment.js';
import { readLoopInitBody } from './init-body.js';
import { installLoop, type LoopInstallFailure } from './install.js';

/** Installs the upload of an init (C-AL-02 to C-AL-12); its processes are started by others. */
export async function installTask(task: LoopInstallTask, runtime: WorkerRuntime): Promise<LoopInstallAnswer> {
  const begunMs = performance.now();
  const request = readLoopInitBody(task.body);
  const answered = (codeBytes: number, rest: Partial<LoopInstallFailure>): LoopInstallAnswer => ({
    durationMs: performance.now() - begunMs,
    ...(codeBytes > 0 && { installMs: performance.now() - begunMs }),
    codeBytes,
    ...rest,
  });
  if (!('variables' in request)) return answered(0, { failure: request });
  const { settings, limits } = runtime;
  const inherited = inheritedEntries(Buffer.from(settings.environment));
  const environment = loopEnvironment(inherited, settings.version, request.variables);
  const codeBytes = request.code.length;
  const limit = new InitLimit(limits.clock, task.timeoutMs, limits.killedAtShutdown);
  const outcome = await installLoop({
    code: request.code,
    main: request.main,
    actionRoot: settings.actionRoot,
    limits: settings,
    compiler: variableIn(inherited, 'OW_COMPILER'),
    executionEnvironment: variableIn(inherited, 'OW_EXECUTION_ENV'),
    environment,
    limit,
    confinement: runtime.confinement,
    scope: runtime.scope,
  }).finally(() => limit.close());
  if ('failure' in outcome) return answered(codeBytes, outcome);
  const { folder, exec, unpackedBytes } = outcome;
  const image = { folder, exec, environment: blockOf(environment) };
  return { ...answered(codeBytes, {}), unpackedBytes, image };
}

/** Starts a process and watches over it until it has been reaped. */
export function processTask(
  { image, logs, port }: LoopProcessTask,
  { startLoop }: WorkerRuntime,
): Promise<ProcessExit> {
  const child =
    startLoop === undefined
      ? 'ENOSYS'
      : startLoop({ exec: image.exec, environment: entriesOf(image.environment), logs });
  if (typeof child === 'string') {
    port.postMessage({ errno: child } satisfies LoopStarted);
    port.close();
    return Promise.resolve({});
  }
  const { pid, stdin, answers } = child;
  port.on('message', (command: LoopCommand) => {
    if (command === 'taken') child.handedOver();
    else child.kill(command);
  });
  port.postMessage({ pid, stdin, answers } satisfies LoopStarted);
  return child.exited.finally(() => port.close());
}

function variableIn(entries: readonly Buffer[], name: string): string | undefined {
  const entry = entries.find((candidate) => entryName(candidate) === name);
  const value = entry?.toString('utf8', name.length + 1);
  return value === '' ? undefined : value;
}

function blockOf(entries: readonly Buffer[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(entries.flatMap((entry) => [entry, Buffer.of(0)])));
}

function entriesOf(block: Uint8Array): Buffer[] {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  const entries: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    entries.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return entries;
}
