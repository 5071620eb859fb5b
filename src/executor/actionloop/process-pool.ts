import type { ActionLoopGauges } from '../../observability/metrics/gauges.js';
import type { ActionLoopImage } from '../../threads/messages.js';
import type { ActionLoopLauncher } from './channel.js';
import type { PendingRequest } from './pending-requests.js';
import { ActionLoopProcess, type ActionLoopProcessEnd, type ActionLoopProcessOptions } from './process.js';
import type { ActionTrust } from './readiness.js';
import { type StartLimits, startActionLoopProcess } from './start.js';

/** How many processes there may be, and what each may do. */
interface ActionLoopPoolOptions extends ActionLoopProcessOptions, StartLimits {
  readonly processes: number;
  readonly idleMs: number;
}

/** So many processes may end on an activation without having read it. */
const MAX_ATTEMPTS = 3;
/** After a start that failed while other processes serve, so long no further one is tried. */
const RETRY_MS = 1000;
/** At the end of the server a process has so long from SIGTERM to SIGKILL, and so long to end after that. */
const STOP_GRACE_MS = 500;
const KILL_WAIT_MS = 250;

/**
 * The processes of an ActionLoop action: one at first, more while activations wait, fewer when they have
 * nothing to do; one that ends is replaced. Activations go to them in order of arrival (C-AL-19).
 */
export class ActionLoopPool {
  image: ActionLoopImage | undefined;
  readonly #launch: ActionLoopLauncher;
  readonly #limits: ActionLoopPoolOptions;
  readonly #extraLine: (line: Buffer) => void;
  readonly #processes = new Set<ActionLoopProcess>();
  /** All that live, also those that are on their way out. */
  readonly #livingProcesses = new Set<ActionLoopProcess>();
  readonly #queue = new Set<PendingRequest>();
  readonly #trusts = new WeakMap<ActionLoopImage, ActionTrust>();
  #starting = 0;
  #failedStartMs = Number.NEGATIVE_INFINITY;
  #shrinking = false;
  #serving = false;
  #killed = false;
  #started = 0;
  #lost = 0;
  #extraLines = 0;

  /** @param extraLine gets each line that answers no activation */
  constructor(launch: ActionLoopLauncher, limits: ActionLoopPoolOptions, extraLine: (line: Buffer) => void) {
    this.#launch = launch;
    this.#limits = limits;
    this.#extraLine = extraLine;
  }

  get gauges(): ActionLoopGauges {
    return {
      processes: this.#processes.size,
      busy: [...this.#processes].filter(({ busy }) => busy).length,
      started: this.#started,
      lost: this.#lost,
      extraLines: this.#extraLines,
    };
  }

  /** Gives an activation to a process that is free, or to the next that will be. */
  submit(request: PendingRequest): void {
    if (this.#queue.size === 0 && this.#trySend(request)) return;
    this.#queue.add(request);
    this.#grow();
  }

  /**
   * Takes an activation back whose time is up: out of the queue, or with the process that has it, or that should have
   * taken it.
   */
  cancel(request: PendingRequest): void {
    request.expired = true;
    if (this.#queue.delete(request)) {
      request.settle({ kind: 'taken-back' });
      for (const process of this.#processes) if (process.isAwaited) process.terminate();
      return;
    }
    for (const process of this.#livingProcesses) if (process.holds(request)) process.terminate();
  }

  /**
   * Puts another action in the place of the one that serves: its first process is started before the others
   * are told to end, and they finish what they have (C-AL-04).
   *
   * @param initLeftMs what is left of the init's time
   * @returns undefined once it serves; else why its start has failed, and the old one serves on
   */
  async replace(image: ActionLoopImage, initLeftMs: number): Promise<string | undefined> {
    const started = await this.#start(image, initLeftMs);
    if (typeof started === 'string') return started;
    const before = [...this.#processes];
    this.image = image;
    this.#processes.clear();
    this.#processes.add(started);
    for (const process of before) process.drain();
    this.#serveQueue();
    return undefined;
  }

  /** Resolves when no process lives any more that was started from that folder. */
  async whenUnused(folder: string): Promise<void> {
    const theirs = [...this.#livingProcesses].filter(({ image }) => image.folder === folder);
    await Promise.all(theirs.map(({ exited }) => exited));
  }

  /** Kills every process with what it has; those are told so, and nothing is started any more. */
  killAll(): void {
    this.#killed = true;
    this.#failQueue();
    for (const process of this.#livingProcesses) process.kill();
  }

  /** Ends every process. It takes no longer than a moment, whatever they do: one that can't be ended is left behind. */
  async stop(): Promise<void> {
    this.image = undefined;
    const { clock, graceMs } = this.#limits;
    const gone = Promise.all([...this.#livingProcesses].map((process) => process.exited));
    if (!this.#killed) {
      for (const process of this.#livingProcesses) process.drain();
      await clock.withTimeout(Math.min(graceMs, STOP_GRACE_MS), gone);
    }
    for (const process of this.#livingProcesses) process.kill();
    await clock.withTimeout(KILL_WAIT_MS, gone);
  }

  /** @returns false if no process can take it now */
  #trySend(request: PendingRequest): boolean {
    for (const process of this.#processes) if (process.isReady() && process.send(request)) return true;
    return false;
  }

  #serveQueue(): void {
    // A process that turns out to be unfit asks for this from within, while its turn is still in the queue.
    if (this.#serving) return;
    this.#serving = true;
    for (const request of this.#queue) {
      if (!this.#trySend(request)) break;
      this.#queue.delete(request);
    }
    this.#serving = false;
    this.#grow();
  }

  #grow(): void {
    const { image } = this;
    if (this.#queue.size === 0 || image === undefined || this.#killed) return;
    const { processes } = this.#limits;
    const now = performance.now();
    const none = this.#processes.size + this.#starting === 0;
    if (this.#processes.size + this.#starting >= processes || this.#starting >= this.#queue.size) return;
    if (!none && now - this.#failedStartMs < RETRY_MS) return;
    void this.#add(image);
  }

  async #add(image: ActionLoopImage): Promise<void> {
    this.#starting++;
    const started = await this.#start(image);
    this.#starting--;
    if (typeof started === 'string') {
      this.#failedStartMs = performance.now();
      if (this.#processes.size + this.#starting === 0) this.#failQueue();
      return;
    }
    if (this.image !== image) {
      started.drain();
      return;
    }
    this.#processes.add(started);
    this.#scheduleShrink();
    this.#serveQueue();
  }

  async #start(
    image: ActionLoopImage,
    initLeftMs = this.#limits.initTimeoutMs,
  ): Promise<ActionLoopProcess | string> {
    const trust = this.#trusts.get(image) ?? { misbehaved: false };
    this.#trusts.set(image, trust);
    const process = new ActionLoopProcess(image, trust, this.#limits, {
      available: () => this.#serveQueue(),
      extraLine: (line) => {
        this.#extraLines++;
        this.#extraLine(line);
      },
      retired: (end) => this.#onRetired(process, end),
    });
    this.#livingProcesses.add(process);
    void process.exited.then(() => this.#livingProcesses.delete(process));
    const problem = await startActionLoopProcess(process, this.#launch, { ...this.#limits, initLeftMs });
    if (problem === undefined) {
      this.#started++;
      return process;
    }
    if (!process.attached) this.#livingProcesses.delete(process);
    return problem;
  }

  #onRetired(
    process: ActionLoopProcess,
    { isUnexpected, hasAnswered, unreadRequests }: ActionLoopProcessEnd,
  ): void {
    const served = this.#processes.delete(process);
    if (isUnexpected && served) this.#lost++;
    const { image } = this;
    const isLast = served && this.#processes.size + this.#starting === 0;
    // One that ends before it can have an activation would be started for it again and again.
    const [next] = this.#queue;
    if (!hasAnswered) this.#failedStartMs = performance.now();
    if (!hasAnswered && isLast && unreadRequests.length === 0 && next !== undefined) {
      this.#queue.delete(next);
      this.#requeue([next]);
    } else this.#requeue(unreadRequests);
    // The next activation shall find a warm process; one that never answered anything is not tried for nothing.
    if (isLast && hasAnswered && image !== undefined && !this.#killed) void this.#add(image);
    else this.#serveQueue();
  }

  /** First in the queue, as they were before; whoever has had too many processes end on it is told so. */
  #requeue(requests: readonly PendingRequest[]): void {
    if (requests.length === 0) return;
    const waiting = [...this.#queue];
    this.#queue.clear();
    for (const request of requests) {
      request.unreadCount = (request.unreadCount ?? 0) + 1;
      const again = request.unreadCount < MAX_ATTEMPTS && !request.expired && !this.#killed;
      if (again) this.#queue.add(request);
      else request.settle({ kind: 'exited', exit: {} });
    }
    for (const request of waiting) this.#queue.add(request);
  }

  #failQueue(): void {
    for (const request of this.#queue) {
      this.#queue.delete(request);
      request.settle({ kind: 'not-started' });
    }
  }

  /** Looks after the processes beyond the first, while there are any. */
  #scheduleShrink(): void {
    if (this.#shrinking || this.#processes.size <= 1) return;
    this.#shrinking = true;
    const { clock, idleMs } = this.#limits;
    clock.setTimer({ inMs: idleMs }, () => {
      this.#shrinking = false;
      const now = clock.nowMs();
      // The first one stays: work goes to whoever comes first in the set, so the last ones are idle.
      for (const process of [...this.#processes].slice(1).reverse()) {
        if (process.busy || now - process.lastUsedMs < idleMs) continue;
        this.#processes.delete(process);
        process.drain();
      }
      this.#scheduleShrink();
    });
  }
}
