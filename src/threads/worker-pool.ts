import { constants } from 'node:os';
import type { MessagePort } from 'node:worker_threads';
import { recoverInterruptedInit } from '../action/recover.js';
import {
  type EngineStats,
  readEngineStats,
  readSelfTest,
  type SelfTestOutcome,
} from '../engines/forkserver/ipc/stats.js';
import type { TemplateAnswer } from '../engines/forkserver/templates/remote-manager.js';
import type { TimerExpiry } from '../os/freeze-aware-clock.js';
import { signalWithGroup } from '../os/group-signal.js';
import { pinNativeLibrary } from '../os/native-library.js';
import { largeBuffersOf } from '../os/transfer.js';
import type { InitAnswer, ProcessExit, RunAnswer } from '../protocol/answer.js';
import type { Failure } from '../protocol/errors.js';
import type { KnativeAnswer } from '../protocol/knative/response.js';
import type { ResultVerdict } from '../protocol/result.js';
import { readLosses, type StreamLosses } from '../shared-memory/log-losses.js';
import { pidsInFlight, transferPipes } from '../shared-memory/resource-table.js';
import { generationOf } from '../shared-memory/spawn-lock.js';
import type {
  ActionLoopImage,
  ActionLoopInstallAnswer,
  HelloAnswer,
  InitTask,
  IsolatedPrepared,
  KnativeRunTask,
  ParseAnswer,
  RefuseInitTask,
  RunTask,
  TemplateTask,
  WorkerSettings,
  WorkerTask,
} from './messages.js';
import { reclaimThread } from './thread-memory.js';
import { WorkerThread } from './worker-thread.js';

/** What is told of the pool's troubles. */
interface PoolObserver {
  /** A worker thread has died; the pool replaces it. */
  workerLost(threadId: number, killedProcesses: number): void;
  /** A worker thread could not be started; it is tried again. */
  workerNotStarted(error: unknown): void;
}

/** After a thread could not be started, or died before it served, the next one waits; twice as long after each. */
const MIN_BACK_OFF_MS = 1000;
const MAX_BACK_OFF_MS = 60_000;

/**
 * The worker threads (piscina), and the care for what one leaves behind when it dies: its processes are
 * killed, its descriptors closed, its locks released, its tasks rejected, and it is replaced
 * (docs/decisions/0011-dead-worker-threads.md).
 *
 * One thread is started at once, further ones while there is more to do than those have taken: the first answer
 * waits for one only, and a container at rest has the memory of one only. A thread that can't be started, for want of
 * processes or descriptors, fails no task: the others have them, or they wait until one can be started.
 */
export class WorkerPool {
  readonly #settings: WorkerSettings;
  #observer: PoolObserver | undefined;
  /** What happened before there was an observer. */
  #unobserved: ((observer: PoolObserver) => void)[] = [];
  readonly #threads: WorkerThread[] = [];
  /** Tasks that came while no thread served. */
  readonly #waiting: ((thread: WorkerThread) => void)[] = [];
  /** The engine of the first thread. */
  #engine: string | undefined;
  #maxThreads = 1;
  #initialising = 0;
  #closing = false;
  #failures = 0;
  #notBeforeMs = 0;
  #retry: NodeJS.Timeout | undefined;

  /** @throws Error where not even the first thread can be started */
  constructor(settings: WorkerSettings) {
    this.#settings = settings;
    this.#threads.push(this.#newThread());
  }

  /** Has the observer called from now on, and at once for what has happened before. */
  observe(observer: PoolObserver): void {
    this.#observer = observer;
    for (const report of this.#unobserved.splice(0)) report(observer);
  }

  /** Threads that live. */
  get threads(): number {
    return this.#threads.length;
  }

  /** How each thread stands. */
  get threadStatuses(): readonly WorkerThread['status'][] {
    return this.#threads.map(({ status }) => status);
  }

  /** Lets there be further threads from now on, up to that many in all; they are started when they are needed. */
  allowThreads(threads: number): void {
    this.#maxThreads = threads;
  }

  runActivation(task: RunTask): Promise<RunAnswer> {
    return this.#send(task, task.body);
  }

  runKnative(task: KnativeRunTask): Promise<KnativeAnswer> {
    return this.#send(task, task.body);
  }

  async init(task: InitTask | RefuseInitTask): Promise<InitAnswer> {
    this.#initialising++;
    try {
      return await this.#send<InitAnswer>(task, 'body' in task ? task.body : undefined);
    } catch (error) {
      // Its thread has died, perhaps while files were taking their places.
      recoverInterruptedInit(this.#settings.actionRoot);
      throw error;
    } finally {
      this.#initialising--;
    }
  }

  /** ActionLoop: installs the upload of an init. */
  async installActionLoop(
    body: Uint8Array,
    timeoutMs: number,
    isolated: boolean,
  ): Promise<ActionLoopInstallAnswer> {
    return this.#send<ActionLoopInstallAnswer>(
      { kind: 'actionloop-install', body, timeoutMs, isolated },
      body,
    );
  }

  /** Isolated ActionLoop: starts a process, which later ones are clones of, and waits until it may be given work. */
  prepareIsolated(image: ActionLoopImage, timeoutMs: number): Promise<IsolatedPrepared> {
    return this.#send({ kind: 'isolated-prepare', image, timeoutMs });
  }

  /** Isolated ActionLoop: runs one activation. @param numbered whether its lines are */
  runIsolated(
    body: Uint8Array,
    image: ActionLoopImage,
    numbered: boolean,
    time: TimerExpiry | undefined,
  ): Promise<RunAnswer> {
    const task = { kind: 'isolated-run', body, image, numbered, ...(time && { time }) } as const;
    return this.#send(task, body);
  }

  /** Isolated ActionLoop: has all threads let go what they have prepared of an image. */
  forgetIsolated(folder: string): void {
    for (const thread of this.#threads)
      thread.run({ kind: 'isolated-forget', folder }).catch(() => {
        // It has died, and with it what it had.
      });
  }

  /** ActionLoop: starts a process, tells of it on the port, and resolves when it has been reaped. */
  async runActionLoopProcess(
    image: ActionLoopImage,
    logs: readonly [stdout: number, stderr: number],
    port: MessagePort,
  ): Promise<ProcessExit> {
    const thread = await this.#leastBusy();
    return thread.send({ kind: 'actionloop-process', image, logs, port }, [port]);
  }

  /**
   * ActionLoop: the pipes of a process belong to this thread from now on.
   *
   * @returns false if its worker thread has died and they are closed
   */
  takeOverPipes(pid: number, stdin: number, answers: number): boolean {
    return transferPipes(this.#settings.shared.resourceTable, pid, stdin, answers);
  }

  /** ActionLoop: makes the line of a large body. */
  encodeActionLoopLine(body: Uint8Array): Promise<Uint8Array | Failure> {
    return this.#send({ kind: 'actionloop-line', body }, body);
  }

  /**
   * Judges a long line, which is moved there; the result comes back in memory of its own.
   *
   * @param whole whether the result is the line itself, with its line feed
   */
  judgeResult(line: Uint8Array, whole = false): Promise<ResultVerdict> {
    return this.#send({ kind: 'judge', line, whole }, line);
  }

  /** Parses the large body of a /run, which is moved there and comes back. */
  parseRunBody(body: Uint8Array): Promise<ParseAnswer> {
    return this.#send({ kind: 'parse', body }, body);
  }

  /** Makes a template process for the main thread; it is a child of the first worker's thread. */
  async buildTemplate(task: TemplateTask): Promise<TemplateAnswer> {
    const [first] = this.#threads;
    return first === undefined ? { reason: 'there is no worker thread' } : first.run(task);
  }

  /** Whether an init is under way. */
  get isInitialising(): boolean {
    return this.#initialising > 0;
  }

  /** How often the action's files have been replaced until now. */
  get generation(): number {
    return generationOf(this.#settings.shared.spawnLock);
  }

  /** Resolves once a worker serves. @throws Error where the first one can't */
  async hello(): Promise<HelloAnswer> {
    const [first] = this.#threads;
    if (first !== undefined) {
      try {
        return await first.hello;
      } catch (error) {
        // One that died is replaced; one that could not set itself up has said why.
        if (first.givenUp) throw error;
      }
    }
    return this.#send({ kind: 'hello' });
  }

  /** Has the first worker load what an init needs, so that the first init does not wait for that. */
  preload(): void {
    this.#threads[0]?.run({ kind: 'preload' }).catch(() => {
      // It has died, or is being ended; what can't be loaded the init itself tells of.
    });
  }

  /** Whether a shutdown has killed what still ran. */
  get killedAll(): boolean {
    return Atomics.load(new Int32Array(this.#settings.shared.shutdown), 0) === 1;
  }

  /** The fork server's self-test, once a worker has made it: before its first template. */
  get selfTest(): SelfTestOutcome | undefined {
    return readSelfTest(this.#settings.shared.engineStats);
  }

  /** What the fork server has counted, in all threads. */
  get engineStats(): EngineStats {
    return readEngineStats(this.#settings.shared.engineStats);
  }

  /** What of the logs could not be written. */
  get losses(): readonly StreamLosses[] {
    return readLosses(this.#settings.shared.losses);
  }

  /** Kills the processes of all activations in flight with their groups, and has their workers answer them. */
  killAll(): void {
    const { shutdown, resourceTable } = this.#settings.shared;
    Atomics.store(new Int32Array(shutdown), 0, 1);
    for (const pid of pidsInFlight(resourceTable)) signalWithGroup(pid, constants.signals.SIGKILL);
    for (const thread of this.#threads) thread.killActivations();
  }

  /**
   * Ends the threads; takes as long as they do. Terminating a thread during dlopen(3) crashes the process, so each
   * thread first finishes loading its native libraries.
   */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#retry);
    await pinNativeLibrary();
    await Promise.allSettled(this.#threads.map(({ hello }) => hello));
    await Promise.allSettled(this.#threads.map((thread) => thread.run({ kind: 'close' })));
    await Promise.all(this.#threads.map((thread) => thread.end()));
  }

  /** Hands the task to the thread that has the fewest; a large body is moved, not copied. */
  #send<Answer>(task: WorkerTask, body?: Uint8Array): Promise<Answer> {
    const moved = largeBuffersOf(body);
    const thread = this.#leastBusy();
    return thread instanceof Promise ? thread.then((one) => one.send(task, moved)) : thread.send(task, moved);
  }

  /**
   * Of those that serve; where that one has work already, another thread is started for what comes next. Where none
   * serves, the next one that does.
   */
  #leastBusy(): WorkerThread | Promise<WorkerThread> {
    let least: WorkerThread | undefined;
    for (const thread of this.#threads)
      if (thread.serves && (least === undefined || thread.tasks < least.tasks)) least = thread;
    if (least === undefined) return new Promise((resolve) => this.#waiting.push(resolve));
    if (
      least.tasks > 0 &&
      this.#threads.length < this.#maxThreads &&
      performance.now() >= this.#notBeforeMs
    ) {
      this.#addThread();
    }
    return least;
  }

  /** Starts a thread, now or, where none can be started, later; never throws. */
  #addThread(): void {
    if (this.#closing) return;
    try {
      this.#threads.push(this.#newThread());
    } catch (error) {
      this.#backOff();
      this.#report((observer) => observer.workerNotStarted(error));
      if (this.#threads.length === 0) this.#retryLater();
    }
  }

  #report(report: (observer: PoolObserver) => void): void {
    if (this.#observer === undefined) this.#unobserved.push(report);
    else report(this.#observer);
  }

  #backOff(): void {
    this.#notBeforeMs = performance.now() + Math.min(MIN_BACK_OFF_MS * 2 ** this.#failures, MAX_BACK_OFF_MS);
    this.#failures++;
  }

  /** While there is no thread nothing else asks for one. */
  #retryLater(): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#addThread(), Math.max(0, this.#notBeforeMs - performance.now()));
  }

  /** @throws Error where the system has no thread or descriptor for it */
  #newThread(): WorkerThread {
    const thread = new WorkerThread(this.#settings, {
      ending: (one) => this.#retire(one),
      ended: (one, threadId) => this.#reclaim(one, threadId),
    });
    thread.hello.then(
      (answer) => this.#begin(thread, answer),
      (error: unknown) => this.#giveUp(thread, error),
    );
    return thread;
  }

  #begin(thread: WorkerThread, { engine, fallbackReason }: HelloAnswer): void {
    if (!this.#threads.includes(thread)) return;
    this.#engine ??= engine;
    // For want of descriptors it may have got a slower one, which it would keep.
    if (engine !== this.#engine) {
      this.#giveUp(thread, new Error(`its engine would be ${engine}: ${fallbackReason}`));
      return;
    }
    thread.serves = true;
    this.#failures = 0;
    for (const resolve of this.#waiting.splice(0)) resolve(thread);
  }

  /** It lives, but could not set itself up, for want of descriptors most likely: it would fail every task. */
  #giveUp(thread: WorkerThread, error: unknown): void {
    if (this.#closing || !this.#threads.includes(thread)) return;
    this.#retire(thread);
    thread.givenUp = true;
    this.#report((observer) => observer.workerNotStarted(error));
    void thread.end();
  }

  /** Gives the thread no more tasks. */
  #retire(thread: WorkerThread): void {
    if (this.#closing) return;
    const at = this.#threads.indexOf(thread);
    if (at >= 0) this.#threads.splice(at, 1);
  }

  #reclaim(thread: WorkerThread, threadId: number): void {
    this.#retire(thread);
    // What it has answered arrives in the next turn of the loop at the latest.
    setImmediate(() => setImmediate(() => thread.rejectTasks(threadId)));
    if (this.#closing) return;
    const killed = reclaimThread(this.#settings.shared, threadId, this.#initialising > 0);
    if (!thread.givenUp) this.#report((observer) => observer.workerLost(threadId, killed));
    if (!thread.serves) this.#backOff();
    if (this.#threads.length > 0) return;
    if (thread.serves) this.#addThread();
    else this.#retryLater();
  }
}
