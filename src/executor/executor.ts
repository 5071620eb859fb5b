import type { ActionState } from '../action/state.js';
import { type LogStreams, writeSentinels } from '../activation/activation-log.js';
import type { ActionLoopGauges } from '../observability/metrics/gauges.js';
import type { InitAnswer, RunAnswer } from '../protocol/answer.js';
import type { Received } from '../protocol/received.js';
import type { RunTask } from '../threads/messages.js';
import type { WorkerPool } from '../threads/worker-pool.js';
import type { MainThreadExecutor } from './main-thread.js';
import type { TimeLimit } from './time-limit.js';

/** What of a request a protocol needs. */
export type RunRequest = Pick<Received, 'body' | 'parsed' | 'trace'>;

/** What a protocol does with the requests that have been let in; the routes do not know which it is. */
export interface Executor {
  /** Gets what an author who waits in vain should know, as a sentence; whoever makes the executor may set it. */
  onHint?: (text: string) => void;
  /** How a successful init is answered. */
  readonly initResponse: { readonly type: string; readonly body: string };
  /** Runs one activation. @throws Error where a worker died with it */
  execute(request: RunRequest, time: TimeLimit | undefined): Promise<RunAnswer>;
  /** Initialises the action. @throws Error where a worker died with it */
  init(body: Uint8Array): Promise<InitAnswer>;
  /** Answers an init that came too late (C-INIT-20). */
  refuseInit(): Promise<InitAnswer>;
  /** Writes the lines that end an activation's log, for one that could not write its own. */
  writeSentinels(): Promise<void>;
  /** Kills what is under way; it is answered then. */
  killAll(): void;
  /** How the processes that stay are doing; undefined where none do. */
  readonly gauges: ActionLoopGauges | undefined;
  /** Ends what it holds between activations. */
  stop(): Promise<void>;
}

/** The classic protocol: a new process for each activation (C-INIT-01 to C-INIT-28, C-RUN-01 to C-RUN-26). */
export class ClassicExecutor implements Executor {
  readonly initResponse = { type: 'text/html; charset=utf-8', body: 'OK' };
  readonly gauges = undefined;
  readonly #pool: WorkerPool;
  readonly #action: ActionState;
  readonly #mainThread: MainThreadExecutor | undefined;
  readonly #openLogs: () => Promise<LogStreams>;
  #logs: Promise<LogStreams> | undefined;

  /**
   * @param direct runs what comes alone; undefined: the pool runs everything
   * @param openLogs opens the logs for this thread, on the first line that it has to write itself
   */
  constructor(
    pool: WorkerPool,
    action: ActionState,
    direct: MainThreadExecutor | undefined,
    openLogs: () => Promise<LogStreams>,
  ) {
    this.#openLogs = openLogs;
    this.#pool = pool;
    this.#action = action;
    this.#mainThread = direct;
  }

  async execute(request: RunRequest, time: TimeLimit | undefined): Promise<RunAnswer> {
    const answer = await this.#run(request, time);
    if (answer.superseded === undefined) return answer;
    await this.#action.settled;
    return this.execute({ ...request, ...answer.superseded }, time);
  }

  #run({ body, parsed, trace }: RunRequest, time: TimeLimit | undefined): Promise<RunAnswer> {
    const task: RunTask = {
      kind: 'run',
      body,
      ...this.#action.current,
      ...(time !== undefined && { time: time.remaining() }),
      ...(trace !== undefined && { trace }),
      ...(parsed !== undefined && { parsed }),
    };
    if (this.#mainThread === undefined) return this.#pool.runActivation(task);
    return this.#mainThread.execute(task, time && (() => time.remaining()));
  }

  init(body: Uint8Array): Promise<InitAnswer> {
    return this.#pool.init({ kind: 'init', body });
  }

  refuseInit(): Promise<InitAnswer> {
    return this.#pool.init({ kind: 'refuse-init' });
  }

  /** On this thread: a worker may die with what it is to write, as the one did that owes it. */
  async writeSentinels(): Promise<void> {
    this.#logs ??= this.#openLogs();
    const logs = await this.#logs.catch((error: unknown) => {
      // For want of a descriptor: the next one tries again.
      this.#logs = undefined;
      throw error;
    });
    await writeSentinels(logs);
  }

  killAll(): void {
    this.#pool.killAll();
    this.#mainThread?.killAll();
  }

  async stop(): Promise<void> {
    this.#mainThread?.close();
    const logs = await this.#logs?.catch(() => undefined);
    logs?.stdout.close();
    logs?.stderr.close();
  }
}
