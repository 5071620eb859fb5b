import { type MessagePort, SHARE_ENV, type Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { threadLimits } from '../os/address-space.js';
import type { HelloAnswer, WorkerSettings, WorkerTask } from './messages.js';

/** Tasks that one thread may have at once: they wait for processes, not for the thread. */
const TASKS_PER_THREAD = 1_000_000;

const WORKER = new URL('../threads/entry.js', import.meta.url).href;

/** What is told of the end of a thread. */
interface ThreadEvents {
  /** It is about to end, and is to be given no more tasks. */
  ending(thread: WorkerThread): void;
  ended(thread: WorkerThread, threadId: number): void;
}

/** How one thread stands. */
interface ThreadStatus {
  readonly tasks: number;
  /** Of these, those that wait until the thread has been started. */
  readonly queued: number;
  /** The thread itself; undefined while one is replaced. */
  readonly worker: Worker | undefined;
}

/** One worker thread: a piscina pool of its own, so that the dispatcher says which thread gets what. */
export class WorkerThread {
  /** Resolves once it serves; rejects if it can't. */
  readonly hello: Promise<HelloAnswer>;
  serves = false;
  /** Whether it is ended because it could not set itself up. */
  givenUp = false;
  readonly #piscina: Piscina;
  #tasks = 0;
  #killed = false;
  /** Rejects the tasks that it has, when it dies. */
  readonly #rejecting = new Set<(error: Error) => void>();

  /** @throws Error where the system has no thread or descriptor for it */
  constructor(settings: WorkerSettings, events: ThreadEvents) {
    this.#piscina = new Piscina({
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
      workerData: settings,
      // A copy can't be made where a name is empty or not UTF-8.
      env: SHARE_ENV,
      resourceLimits: threadLimits(),
    });
    // A death without a task under way comes as an event; the exit itself is seen below.
    this.#piscina.on('error', () => {});
    this.hello = this.run({ kind: 'hello' });
    this.#watchExit(events);
  }

  /** How many tasks it has that {@link send} gave it. */
  get tasks(): number {
    return this.#tasks;
  }

  get status(): ThreadStatus {
    return { tasks: this.#tasks, queued: this.#piscina.queueSize, worker: this.#piscina.threads[0] };
  }

  /** Runs a task; rejects if the thread dies with it. */
  send<Answer>(task: WorkerTask, transferList: readonly (ArrayBuffer | MessagePort)[]): Promise<Answer> {
    this.#tasks++;
    return new Promise((resolve, reject) => {
      const settled = (): void => {
        this.#tasks--;
        this.#rejecting.delete(reject);
      };
      this.#rejecting.add(reject);
      this.#piscina.run(task, { transferList: [...transferList] }).then(
        (answer) => {
          settled();
          resolve(answer as Answer);
        },
        (error: unknown) => {
          settled();
          reject(error);
        },
      );
    });
  }

  /** Runs a task that is not counted among {@link tasks}: it takes a moment, and is no reason to start another thread. */
  run<Answer>(task: WorkerTask): Promise<Answer> {
    return this.#piscina.run(task);
  }

  /** Has it end all its activations, once. */
  killActivations(): void {
    if (this.#killed) return;
    this.#killed = true;
    this.run({ kind: 'kill' }).catch(() => {
      // It has died, and with it its activations.
    });
  }

  /** It has died: rejects the tasks that it has. */
  rejectTasks(threadId: number): void {
    for (const reject of this.#rejecting) reject(new Error(`worker thread ${threadId} has ended`));
    void this.end();
  }

  /** Ends the thread. */
  end(): Promise<void> {
    return this.#piscina.destroy();
  }

  /**
   * Looks for the death of the thread instead of piscina, which would start another one in the same place, or throw where
   * that can't be, and would reject the tasks at once: before their processes are killed, and those too whose answers are
   * on their way.
   */
  #watchExit(events: ThreadEvents): void {
    for (const worker of this.#piscina.threads) {
      const { threadId } = worker;
      worker.removeAllListeners('error').once('error', () => events.ending(this));
      worker.removeAllListeners('exit').once('exit', () => events.ended(this, threadId));
    }
  }
}
