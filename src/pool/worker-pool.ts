import { closeSync } from 'node:fs';
import type { MessagePort, Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { Failure } from '../errors/table.js';
import { releaseStream, SHARED_FIELDS } from '../logs/log-stream.js';
import { createLagMemory } from '../metrics/loop-lag.js';
import { threadLimits } from '../process/address-space.js';
import type { ProcessExit } from '../process/engines/engine.js';
import {
  createEngineStats,
  type EngineStats,
  readEngineStats,
  readSelfTest,
  type SelfTestOutcome,
} from '../process/engines/forkserver/stats.js';
import { createLedgers, pidsInFlight, takeEstate, takeOver } from '../process/ledger.js';
import { holdNativeLibrary } from '../process/native-library.js';
import { createLimitMemory, forgetLimitOf } from '../process/open-files.js';
import type {
  HelloAnswer,
  InitAnswer,
  LoopImage,
  LoopInstallAnswer,
  RunAnswer,
  SharedMemory,
  TemplateAnswer,
  TemplateTask,
  WorkerSettings,
  WorkerTask,
} from './messages.js';
import { createStartGate, leaveForDead } from './start-gate.js';

/** Tasks that one thread may have at once: they wait for processes, not for the thread. */
const TASKS_PER_THREAD = 1_000_000;
/** Bodies from this size on are moved to the worker instead of copied. */
const MOVE_BYTES = 64 * 1024;

const WORKER = new URL('../worker/entry.js', import.meta.url).href;

/** What is told of the pool's troubles. */
export interface PoolObserver {
  /** A worker thread has died; the pool replaces it. */
  workerLost(threadId: number, killedProcesses: number): void;
}

/** Room for the slots of threads that have died and whose successors already live. */
const SLOTS_PER_THREAD = 2;

/** The main thread's slot: the last one. */
export function slotOfMain(threads: number): number {
  return threads * SLOTS_PER_THREAD;
}

/**
 * The memory that all threads of a server share.
 *
 * @param watched whether the threads are to tell how late their event loops are
 */
export function createSharedMemory(threads: number, watched: boolean): SharedMemory {
  const slots = slotOfMain(threads) + 1;
  return {
    ledgers: createLedgers(slotOfMain(threads)),
    startGate: createStartGate(slots),
    openFiles: createLimitMemory(slots),
    engineStats: createEngineStats(slots),
    logs: new SharedArrayBuffer(2 * SHARED_FIELDS * Int32Array.BYTES_PER_ELEMENT),
    shutdown: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
    ...(watched && { lag: createLagMemory(slots) }),
  };
}

/** How one thread stands. */
export interface ThreadView {
  readonly tasks: number;
  /** Of these, those that wait until the thread has been started. */
  readonly queued: number;
  /** The thread itself; undefined while one is replaced. */
  readonly worker: Worker | undefined;
}

/** One thread: a piscina pool of its own, so that the dispatcher says which thread gets what. */
interface Thread {
  readonly piscina: Piscina;
  /** Resolves once it serves or can't. */
  readonly started: Promise<unknown>;
  serves: boolean;
  tasks: number;
}

/**
 * The worker threads (piscina), and the care for what one leaves behind when it dies: its processes are
 * killed, its descriptors closed, its locks released, its tasks rejected, and piscina replaces it (D-24).
 *
 * One thread is started at once, further ones while there is more to do than those have taken: the first answer
 * waits for one only, and a container at rest has the memory of one only.
 */
export class WorkerPool {
  readonly #settings: WorkerSettings;
  readonly #observer: PoolObserver;
  readonly #threads: Thread[] = [];
  readonly #known = new Set<number>();
  #most = 1;
  #initialising = 0;
  #closing = false;

  constructor(settings: WorkerSettings, observer: PoolObserver) {
    this.#settings = settings;
    this.#observer = observer;
    this.#addThread();
  }

  /** Threads that live. */
  get threads(): number {
    return this.#threads.length;
  }

  /** How each thread stands. */
  get views(): readonly ThreadView[] {
    return this.#threads.map(({ piscina, tasks }) => ({
      tasks,
      queued: piscina.queueSize,
      worker: piscina.threads[0],
    }));
  }

  /** Lets there be further threads from now on, up to that many in all; they are started when they are needed. */
  allow(threads: number): void {
    this.#most = threads;
  }

  run(task: WorkerTask & { kind: 'run' }): Promise<RunAnswer> {
    return this.#send(task, task.body);
  }

  /** As {@link run}, and the caller keeps the body, however large it is. */
  runKeepingBody(task: WorkerTask & { kind: 'run' }): Promise<RunAnswer> {
    return this.#send(task);
  }

  async init(task: WorkerTask & { kind: 'init' | 'refuse-init' }): Promise<InitAnswer> {
    this.#initialising++;
    try {
      return await this.#send<InitAnswer>(task, 'body' in task ? task.body : undefined);
    } finally {
      this.#initialising--;
    }
  }

  /** Writes the sentinels that a rejected task still owes. */
  async writeSentinels(): Promise<void> {
    await this.#send({ kind: 'sentinels' });
  }

  /** ActionLoop: installs the upload of an init. */
  async installLoop(body: Uint8Array, timeoutMs: number): Promise<LoopInstallAnswer> {
    return this.#send<LoopInstallAnswer>({ kind: 'loop-install', body, timeoutMs }, body);
  }

  /** ActionLoop: starts a process, tells of it on the port, and resolves when it has been reaped. */
  runLoop(image: LoopImage, port: MessagePort): Promise<ProcessExit> {
    return this.#sendTo(this.#leastBusy(), { kind: 'loop-process', image, port }, [port]);
  }

  /** ActionLoop: the pipes of a process belong to this thread from now on. */
  takeOver(stdin: number, answers: number): void {
    takeOver(this.#settings.shared.ledgers, stdin, answers);
  }

  /** ActionLoop: makes the line of a large body. */
  loopLine(body: Uint8Array): Promise<Uint8Array | Failure> {
    return this.#send({ kind: 'loop-line', body }, body);
  }

  /** Makes a template process for the main thread; it is a child of the first worker's thread. */
  makeTemplate(task: TemplateTask): Promise<TemplateAnswer> {
    // Not counted as a task: it takes a moment only, and is no reason to start another thread.
    return (this.#threads[0] as Thread).piscina.run(task) as Promise<TemplateAnswer>;
  }

  /** Whether an init is under way. */
  get isInitialising(): boolean {
    return this.#initialising > 0;
  }

  /** Resolves once a worker serves. */
  hello(): Promise<HelloAnswer> {
    return this.#send({ kind: 'hello' });
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

  /** Kills the process groups of all activations in flight; their workers then answer them. */
  killAll(): void {
    const { shutdown, ledgers } = this.#settings.shared;
    Atomics.store(new Int32Array(shutdown), 0, 1);
    for (const pid of pidsInFlight(ledgers)) killGroup(pid);
  }

  /**
   * Ends the threads. One that is ended while it loads a native library, or while an event of a descriptor is on its
   * way to it, takes the process with it: so each first finishes the one and lets go of the others.
   */
  async close(): Promise<void> {
    this.#closing = true;
    await holdNativeLibrary();
    await Promise.all(this.#threads.map(({ started }) => started));
    const closed = this.#threads.map(({ piscina }) => piscina.run({ kind: 'close' } satisfies WorkerTask));
    await Promise.allSettled(closed);
    await Promise.all(this.#threads.map(({ piscina }) => piscina.destroy()));
  }

  /** Hands the task to the thread that has the fewest; a large body is moved, not copied. */
  #send<Answer>(task: WorkerTask, body?: Uint8Array): Promise<Answer> {
    const moved = body !== undefined && body.byteLength >= MOVE_BYTES ? [body.buffer as ArrayBuffer] : [];
    return this.#sendTo(this.#leastBusy(), task, moved);
  }

  /** Of those that serve; where that one has work already, another thread is started for what comes next. */
  #leastBusy(): Thread {
    let least = this.#threads[0] as Thread;
    for (const thread of this.#threads) if (thread.serves && thread.tasks < least.tasks) least = thread;
    if (least.tasks > 0 && this.#threads.length < this.#most && !this.#closing) this.#addThread();
    return least;
  }

  async #sendTo<Answer>(
    thread: Thread,
    task: WorkerTask,
    transferList: readonly (ArrayBuffer | MessagePort)[],
  ): Promise<Answer> {
    thread.tasks++;
    try {
      return (await thread.piscina.run(task, { transferList: [...transferList] })) as Answer;
    } finally {
      thread.tasks--;
    }
  }

  #addThread(): void {
    const piscina = new Piscina({
      filename: WORKER,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: TASKS_PER_THREAD,
      maxQueue: Number.POSITIVE_INFINITY,
      // The default waits inside the thread while it has no task, and its pipes would starve.
      atomics: 'disabled',
      recordTiming: false,
      workerHistogram: false,
      workerData: this.#settings,
      resourceLimits: threadLimits(),
    });
    // A death without a task under way comes as an event; the exit itself is seen below.
    piscina.on('error', () => {});
    piscina.on('workerCreate', () => this.#watch(piscina));
    this.#watch(piscina);
    const started = piscina.run({ kind: 'hello' } satisfies WorkerTask).catch(() => {});
    const thread: Thread = { piscina, started, serves: false, tasks: 0 };
    void started.then(() => {
      thread.serves = true;
    });
    this.#threads.push(thread);
  }

  #watch(piscina: Piscina): void {
    for (const worker of piscina.threads) {
      const { threadId } = worker;
      if (threadId < 0 || this.#known.has(threadId)) continue;
      this.#known.add(threadId);
      worker.once('exit', () => this.#settle(threadId));
    }
  }

  #settle(threadId: number): void {
    this.#known.delete(threadId);
    if (this.#closing) return;
    const { shared } = this.#settings;
    const estate = takeEstate(shared.ledgers, threadId);
    for (const pid of estate?.pids ?? []) killGroup(pid);
    for (const fd of estate?.descriptors ?? []) closeQuietly(fd);
    if (estate !== undefined) {
      leaveForDead(shared.startGate, estate.slot, this.#initialising > 0);
      forgetLimitOf(shared.openFiles, estate.slot);
      const logs = new Int32Array(shared.logs);
      releaseStream(logs.subarray(0, SHARED_FIELDS), estate.slot);
      releaseStream(logs.subarray(SHARED_FIELDS), estate.slot);
    }
    this.#observer.workerLost(threadId, estate?.pids.length ?? 0);
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended by itself.
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // The thread had closed it and died before it could say so.
  }
}
