import type { FreezeAwareClock, TimerExpiry } from '../os/freeze-aware-clock.js';
import type { RunAnswer } from '../protocol/answer.js';
import type { RunTask, WorkerSettings } from '../threads/messages.js';
import type { WorkerPool } from '../threads/worker-pool.js';
import type { MainThreadClones } from './main-thread-clones.js';

/** A larger body takes a while to read, and a worker is there for that. */
const MAX_BODY_BYTES = 16 * 1024;
/** So is it for an action with larger results, or with more to log. */
const MAX_OUTPUT_BYTES = 256 * 1024;

/**
 * With several clients, one sometimes returns before the others and looks like a single client. So more than this many
 * consecutive single requests are required.
 */
const MIN_CONSECUTIVE_SINGLES = 3;

/**
 * Runs an activation on the main thread itself where they come one at a time, by a clone of a template: the trip to a
 * worker and back is a quarter of such an activation's time (docs/internals/engines.md has the measurement). Whatever needs more
 * than that is left to the workers: several at a time, the first runs of an action, large bodies, much output, every
 * other engine.
 */
export class MainThreadExecutor {
  readonly #settings: WorkerSettings;
  readonly #pool: WorkerPool;
  readonly #clock: FreezeAwareClock;
  readonly #isOnlyActivation: () => boolean;
  #clones: MainThreadClones | undefined;
  #isLoadedOrClosed = false;
  /** Number of consecutive activations that were the only one in flight. */
  #consecutiveSingles = 0;
  /** Generation of an action whose output was too large for this thread. */
  #tooLargeGeneration = -1;

  /** @param isOnlyActivation whether the activation at hand is the only one */
  constructor(
    settings: WorkerSettings,
    pool: WorkerPool,
    clock: FreezeAwareClock,
    isOnlyActivation: () => boolean,
  ) {
    this.#settings = settings;
    this.#pool = pool;
    this.#clock = clock;
    this.#isOnlyActivation = isOnlyActivation;
  }

  /**
   * Runs an activation, here or by the pool.
   *
   * @param timeLeft asked for what is left of the activation's time, when it is handed on; undefined: it has no limit
   * @throws Error if a worker died with it
   */
  async execute(task: RunTask, timeLeft?: () => TimerExpiry): Promise<RunAnswer> {
    this.#consecutiveSingles = this.#isOnlyActivation() ? this.#consecutiveSingles + 1 : 0;
    if (!this.#isEligible(task)) return this.#pool.runActivation(task);
    const clones = this.#clones;
    if (clones === undefined) return this.#runInWorker(task);
    const parsed = clones.parse(task);
    const answer = clones.hasTemplateFor(parsed) ? await clones.tryRun(parsed) : undefined;
    if (answer === undefined) return this.#runInWorker(withTimeLeft(parsed, timeLeft));
    this.#recordOutput(task, answer);
    return answer;
  }

  /** A worker has died: templates that it built are no longer its children. */
  workerLost(): void {
    this.#clones?.discard();
  }

  /** The grace period of a shutdown is over: ends what runs on this thread. */
  killAll(): void {
    this.#clones?.killAll();
  }

  close(): void {
    this.#isLoadedOrClosed = true;
    this.#clones?.close();
    this.#clones = undefined;
  }

  #isEligible(task: RunTask): boolean {
    return (
      task.body.byteLength <= MAX_BODY_BYTES &&
      task.generation !== this.#tooLargeGeneration &&
      !this.#pool.isInitialising &&
      this.#consecutiveSingles > MIN_CONSECUTIVE_SINGLES
    );
  }

  /** A worker whose fork server takes the action shows that there can be a template of it. */
  async #runInWorker(task: RunTask): Promise<RunAnswer> {
    const answer = await this.#pool.runActivation(task);
    this.#recordOutput(task, answer);
    if (answer.stats.engine === 'forkserver' && this.#isEligible(task)) this.#prepare(task);
    return answer;
  }

  #recordOutput(task: RunTask, { result, stats }: RunAnswer): void {
    if ((result?.byteLength ?? 0) + stats.logBytes > MAX_OUTPUT_BYTES)
      this.#tooLargeGeneration = task.generation;
  }

  #prepare(task: RunTask): void {
    if (this.#clones !== undefined && task.parsed !== undefined) this.#clones.prepare(task);
    else if (!this.#isLoadedOrClosed) this.#loadForkServer();
  }

  /** Loaded when there is a use for it: a cold start goes without. */
  #loadForkServer(): void {
    this.#isLoadedOrClosed = true;
    import('./main-thread-clones.js')
      .then(({ MainThreadClones }) => {
        this.#clones ??= new MainThreadClones(this.#settings, this.#pool, this.#clock);
      })
      .catch(() => {
        // Where the library can't be loaded no worker has a fork server either.
      });
  }
}

/** A clone that does not come takes seconds: they count. */
function withTimeLeft(task: RunTask, timeLeft: (() => TimerExpiry) | undefined): RunTask {
  return timeLeft === undefined ? task : { ...task, time: timeLeft() };
}
