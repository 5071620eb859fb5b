import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ensureActionRoot, ensureDefaultAction } from '../action/default-action.js';
import { ActionState } from '../action/state.js';
import type { Config } from '../config/load.js';
import type { Executor } from '../executor/executor.js';
import { TimeLimit } from '../executor/time-limit.js';
import { threadsThatFit } from '../os/address-space.js';
import { fileScopeOf } from '../os/file-scope.js';
import { FreezeAwareClock } from '../os/freeze-aware-clock.js';
import { MemoryGroup, memoryLimitBytes } from '../os/memory-group.js';
import { ignoreSignals } from '../os/server-signals.js';
import { initBodyOf } from '../pack/init-body-of.js';
import { nameOf, zipOf } from '../pack/zip-of.js';
import type { ActivationStats, AnswerFailure, InitWarning, RunAnswer } from '../protocol/answer.js';
import { textOfFailure } from '../protocol/errors.js';
import { messageOf } from '../protocol/message-of.js';
import { actionRootFor } from '../server/action-root.js';
import { createExecutor } from '../server/create-executor.js';
import { type LogTargets, rightsOf, workerSettings } from '../server/worker-settings.js';
import { WorkerPool } from '../threads/worker-pool.js';
import { reportUsageErrors } from './command.js';

/** The result has stdout to itself. */
const TERMINAL_LOGS: LogTargets = { logs: [2, 2], sentinels: false };

/** Its options as they were given. */
interface InvokeValues {
  readonly param: readonly string[] | undefined;
  readonly params: string | undefined;
  readonly env: readonly string[] | undefined;
  readonly main: string;
}

/** Its command line. */
interface InvokeLine {
  readonly config: Config;
  readonly positionals: readonly string[];
  readonly values: InvokeValues;
}

/**
 * `hyperskeleton invoke PATH --param name=value`: initialises an action and runs it once, through the code that
 * the server has, without a server. The result goes to stdout, the logs to stderr.
 *
 * @returns the exit status: 0; 1 for a failure, or a result with an `error`; 2 for options that can't be understood
 */
export async function invokeCommand({ config, positionals, values }: InvokeLine): Promise<number> {
  const path = positionals[0] as string;
  let body: string;
  let init: string;
  try {
    const environment = Object.fromEntries(pairsIn(values.env));
    init = initBodyOf(await zipOf(path), nameOf(path), values.main, environment);
    body = runBodyOf(path, parametersOf(values.params, values.param));
  } catch (error) {
    return reportUsageErrors([messageOf(error)]);
  }
  const answer = await invoke(config, init, body);
  if ('warning' in answer) {
    const { reason, text } = answer.warning;
    process.stderr.write(`hyperskeleton: ${reason}: ${text}\n`);
    process.stdout.write(`${JSON.stringify({ error: text })}\n`);
    return 1;
  }
  if (answer.stats.runMs !== undefined) process.stderr.write(`${reportLine(answer.stats)}\n`);
  if (answer.result === undefined) {
    const { reason, explanation } = answer.failure ?? {};
    if (explanation !== undefined) process.stderr.write(`hyperskeleton: ${reason}: ${explanation}\n`);
    process.stdout.write(
      `${JSON.stringify({ error: textOfFailure(answer.failure ?? { code: 'internal' }) })}\n`,
    );
    return 1;
  }
  const text = Buffer.from(answer.result).toString('utf8').trimEnd();
  process.stdout.write(`${text}\n`);
  return hasError(text) ? 1 : 0;
}

/** An answer, or what is probably a mistake in the init. */
type Invoked = RunAnswer | { readonly warning: InitWarning };

async function invoke(config: Config, init: string, body: string): Promise<Invoked> {
  ignoreSignals();
  threadsThatFit(1);
  const rights = rightsOf(config);
  const scope = await fileScopeOf(rights?.user);
  const actionRoot = actionRootFor(config.actionRoot, scope);
  ensureActionRoot(actionRoot, rights?.user);
  if (config.protocol === 'classic') ensureDefaultAction(actionRoot, scope);
  const memoryBytes = memoryLimitBytes(MemoryGroup.find());
  const settings = workerSettings({ ...config, threads: 1 }, actionRoot, TERMINAL_LOGS, rights, memoryBytes);
  const pool = new WorkerPool(settings);
  const clock = new FreezeAwareClock();
  const action = new ActionState(false, () => pool.generation);
  const executor = await createExecutor(settings, pool, action, clock, undefined);
  executor.onHint = (text) => process.stderr.write(`hyperskeleton: ${text}\n`);
  const onSignal = (): void => executor.killAll();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
  try {
    const { failure, warning } = await action.init(
      () => executor.init(Buffer.from(init)),
      () => executor.refuseInit(),
    );
    if (failure !== undefined) return failed(failure);
    // The server goes on, for the contract has it so; an author wants to know.
    if (warning !== undefined) return { warning };
    return await run(executor, config, clock, Buffer.from(body));
  } catch (error) {
    return failed({ code: 'internal', detail: messageOf(error) });
  } finally {
    await executor.stop();
    await pool.close();
  }
}

async function run(
  executor: Executor,
  config: Config,
  clock: FreezeAwareClock,
  body: Buffer,
): Promise<RunAnswer> {
  // Its own memory: it may be moved to the worker.
  const own = Uint8Array.from(body);
  const time = TimeLimit.of(config, clock, undefined);
  const answer = await executor.execute({ body: own, trace: undefined }, time);
  if (answer.failure?.code !== 'run_timeout' || time === undefined) return answer;
  return failed({ ...answer.failure, detail: time.describe() });
}

function failed(failure: AnswerFailure): RunAnswer {
  return { failure, stats: { logBytes: 0, argumentBytes: 0 } };
}

const BYTES_PER_MB = 1_000_000;

/** One line for a person: how long it took, what it used, how it ended, what started it. */
function reportLine({ startMs = 0, runMs = 0, exit, engine }: ActivationStats): string {
  const { usage } = exit ?? {};
  const cpuMs = usage && (usage.userCpuSeconds + usage.systemCpuSeconds) * 1000;
  const facts = [
    `duration ${(startMs + runMs).toFixed(0)} ms`,
    ...(cpuMs === undefined ? [] : [`cpu ${cpuMs.toFixed(0)} ms`]),
    ...(usage === undefined ? [] : [`peak ${(usage.maxResidentBytes / BYTES_PER_MB).toFixed(0)} MB`]),
    ...(exit?.status === undefined ? [] : [`exit ${exit.status}`]),
    ...(exit?.signal === undefined ? [] : [`signal ${exit.signal}`]),
    ...(engine === undefined ? [] : [`engine ${engine}`]),
  ];
  return `REPORT ${facts.join(' · ')}`;
}

/** What the platform would send with it (C-PLAT-05). */
function runBodyOf(path: string, parameters: Record<string, unknown>): string {
  const context = {
    namespace: 'local',
    action_name: `/local/${nameOf(path)}`,
    action_version: '0.0.1',
    activation_id: randomBytes(16).toString('hex'),
    transaction_id: randomBytes(16).toString('hex'),
  };
  return JSON.stringify({ value: parameters, ...context });
}

/** `--params` is JSON text, `@file` or `-` for stdin; each `--param` wins over it. */
function parametersOf(
  text: string | undefined,
  single: readonly string[] | undefined,
): Record<string, unknown> {
  const all = text === undefined ? {} : (JSON.parse(textOf(text)) as Record<string, unknown>);
  if (typeof all !== 'object' || all === null || Array.isArray(all))
    throw new Error('--params must be a JSON object');
  const further = pairsIn(single).map(([name, value]) => [name, parameterOf(value)] as const);
  return Object.fromEntries([...Object.entries(all), ...further]);
}

function textOf(source: string): string {
  if (source === '-') return readFileSync(0, 'utf8');
  return source.startsWith('@') ? readFileSync(source.slice(1), 'utf8') : source;
}

function pairsIn(texts: readonly string[] | undefined): [name: string, value: string][] {
  return (texts ?? []).map((text) => {
    const equals = text.indexOf('=');
    if (equals <= 0) throw new Error(`${JSON.stringify(text)} is not of the form name=value`);
    return [text.slice(0, equals), text.slice(equals + 1)];
  });
}

/** JSON where it is JSON, else the text itself. */
function parameterOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function hasError(result: string): boolean {
  const value = JSON.parse(result) as unknown;
  return typeof value === 'object' && value !== null && 'error' in value;
}
