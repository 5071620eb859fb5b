import type { RunAnswer, RunTask, WorkerSettings } from '../pool/messages.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import type { AlarmTime, AwakeClock } from '../process/awake-clock.js';
import type { MainClones } from './main-clones.js';

/** A larger body takes a while to read, and a worker is there for that. */
const MOST_BODY_BYTES = 16 * 1024;
/** So is it for an action with larger results, or with more to log. */
const MOST_OUTPUT_BYTES = 256 * 1024;

/** Of several callers who are answered together one is the first to come back; only then it is alone. */
const LONE_BEFORE = 3;

/** Where activations are run. */
export interface Lane {
  /**
   * @param timeLeft asked for what is left of the activation's time, when it is handed on; undefined: it has no limit
   * @throws Error where a worker died with it
   */
  run(task: RunTask, timeLeft?: () => AlarmTime): Promise<RunAnswer>;
}

/**
 * Runs an activation on the main thread itself where they come one at a time, by a clone of a template: the trip to a
 * worker and back is a quarter of such an activation's time (docs/engines.md has the measurement). Whatever needs more
 * than that is left to the workers: several at a time, the first runs of an action, large bodies, much output, every
 * other engine.
 */
export class DirectLane implements Lane {
  readonly #settings: WorkerSettings;
  readonly #pool: WorkerPool;
  readonly #clock: AwakeClock;
  readonly #isAlone: () => boolean;
  #clones: MainClones | undefined;
  #loading = false;
  /** How many in a row have come alone. */
  #lone = 0;
  /** Of an action that turned out to be too much for this thread. */
  #heavyGeneration = -1;

  /** @param isAlone whether the activation at hand is the only one */
  constructor(settings: WorkerSettings, pool: WorkerPool, clock: AwakeClock, isAlone: () => boolean) {
    this.#settings = settings;
    this.#pool = pool;
    this.#clock = clock;
    this.#isAlone = isAlone;
  }

  async run(task: RunTask, timeLeft?: () => AlarmTime): Promise<RunAnswer> {
    this.#lone = this.#isAlone() ? this.#lone + 1 : 0;
    if (!this.#suits(task)) return this.#pool.run(task);
    const clones = this.#clones;
    const answer = clones?.isReadyFor(task) === true ? await clones.run(task) : undefined;
    if (answer === undefined) return this.#byWorker(clones === undefined ? task : withTime(task, timeLeft));
    this.#weigh(task, answer);
    return answer;
  }

  /** A worker has died: what was prepared is not its own child any more. */
  workerLost(): void {
    this.#clones?.letGo();
  }

  /** The grace period of a shutdown is over: ends what runs on this thread. */
  killAll(): void {
    this.#clones?.killAll();
  }

  close(): void {
    this.#loading = true;
    this.#clones?.close();
    this.#clones = undefined;
  }

  #suits(task: RunTask): boolean {
    return (
      task.body.byteLength <= MOST_BODY_BYTES &&
      task.generation !== this.#heavyGeneration &&
      !this.#pool.isInitialising &&
      this.#lone > LONE_BEFORE
    );
  }

  /** A worker whose fork server takes the action shows that there can be a template of it. */
  async #byWorker(task: RunTask): Promise<RunAnswer> {
    const answer = await this.#pool.run(task);
    this.#weigh(task, answer);
    if (answer.facts.engine === 'forkserver' && this.#suits(task)) this.#prepare(task);
    return answer;
  }

  #weigh(task: RunTask, { result, facts }: RunAnswer): void {
    if ((result?.byteLength ?? 0) + facts.logBytes > MOST_OUTPUT_BYTES)
      this.#heavyGeneration = task.generation;
  }

  #prepare(task: RunTask): void {
    if (this.#clones !== undefined) this.#clones.prepare(task);
    else if (!this.#loading) this.#load();
  }

  /** Loaded when there is a use for it: a cold start goes without. */
  #load(): void {
    this.#loading = true;
    import('./main-clones.js')
      .then(({ MainClones }) => {
        this.#clones ??= new MainClones(this.#settings, this.#pool, this.#clock);
      })
      .catch(() => {
        // Where the library can't be loaded no worker has a fork server either.
      });
  }
}

/** A clone that does not come takes seconds: they count. */
function withTime(task: RunTask, timeLeft: (() => AlarmTime) | undefined): RunTask {
  return timeLeft === undefined ? task : { ...task, time: timeLeft() };
}
