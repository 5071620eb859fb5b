import type { LoopGauges } from '../metrics/gauges.js';
import type { LoopImage } from '../pool/messages.js';
import type { LoopLauncher } from './channel.js';
import { LoopMember, type MemberLimits, type Retirement } from './member.js';
import type { Trust } from './readiness.js';
import { type StartLimits, startMember, within } from './start.js';
import type { Turn } from './turns.js';

/** How many processes there may be, and what each may do. */
export interface LoopPoolLimits extends MemberLimits, StartLimits {
  readonly processes: number;
  readonly idleMs: number;
}

/** So many processes may end on an activation without having read it. */
const TRIES = 3;
/** After a start that failed while other processes serve, so long no further one is tried. */
const RETRY_MS = 1000;
/** At the end of the server a process has so long from SIGTERM to SIGKILL, and so long to end after that. */
const STOP_MS = 500;
const KILLED_MS = 250;

/**
 * The processes of an ActionLoop action: one at first, more while activations wait, fewer when they have
 * nothing to do; one that ends is replaced. Activations go to them in order of arrival (C-AL-19).
 */
export class LoopPool {
  image: LoopImage | undefined;
  readonly #launch: LoopLauncher;
  readonly #limits: LoopPoolLimits;
  readonly #extraLine: (line: Buffer) => void;
  readonly #members = new Set<LoopMember>();
  /** All that live, also those that are on their way out. */
  readonly #living = new Set<LoopMember>();
  readonly #queue = new Set<Turn>();
  readonly #trusts = new WeakMap<LoopImage, Trust>();
  #starting = 0;
  #triedInVainMs = Number.NEGATIVE_INFINITY;
  #shrinking = false;
  #serving = false;
  #killed = false;
  #started = 0;
  #lost = 0;
  #extraLines = 0;

  /** @param extraLine gets each line that answers no activation */
  constructor(launch: LoopLauncher, limits: LoopPoolLimits, extraLine: (line: Buffer) => void) {
    this.#launch = launch;
    this.#limits = limits;
    this.#extraLine = extraLine;
  }

  get gauges(): LoopGauges {
    return {
      processes: this.#members.size,
      busy: [...this.#members].filter(({ busy }) => busy).length,
      started: this.#started,
      lost: this.#lost,
      extraLines: this.#extraLines,
    };
  }

  /** Gives an activation to a process that is free, or to the next that will be. */
  submit(turn: Turn): void {
    if (this.#queue.size === 0 && this.#give(turn)) return;
    this.#queue.add(turn);
    this.#grow();
  }

  /**
   * Takes an activation back whose time is up: out of the queue, or with the process that has it, or that should have
   * taken it.
   */
  takeBack(turn: Turn): void {
    turn.expired = true;
    if (this.#queue.delete(turn)) {
      turn.settle({ kind: 'taken-back' });
      for (const member of this.#members) if (member.isAwaited) member.condemn();
      return;
    }
    for (const member of this.#living) if (member.has(turn)) member.condemn();
  }

  /**
   * Puts another action in the place of the one that serves: its first process is started before the others
   * are told to end, and they finish what they have (C-AL-04).
   *
   * @param initLeftMs what is left of the init's time
   * @returns undefined once it serves; else why its start has failed, and the old one serves on
   */
  async replace(image: LoopImage, initLeftMs: number): Promise<string | undefined> {
    const started = await this.#start(image, initLeftMs);
    if (typeof started === 'string') return started;
    const before = [...this.#members];
    this.image = image;
    this.#members.clear();
    this.#members.add(started);
    for (const member of before) member.leave();
    this.#serveQueue();
    return undefined;
  }

  /** Resolves when no process lives any more that was started from that folder. */
  async whenGone(folder: string): Promise<void> {
    const theirs = [...this.#living].filter(({ image }) => image.folder === folder);
    await Promise.all(theirs.map(({ gone }) => gone));
  }

  /** Kills every process with what it has; those are told so, and nothing is started any more. */
  killAll(): void {
    this.#killed = true;
    this.#giveUpQueue();
    for (const member of this.#living) member.kill();
  }

  /** Ends every process. It takes no longer than a moment, whatever they do: one that can't be ended is left behind. */
  async stop(): Promise<void> {
    this.image = undefined;
    const { clock, graceMs } = this.#limits;
    const gone = Promise.all([...this.#living].map((member) => member.gone));
    if (!this.#killed) {
      for (const member of this.#living) member.leave();
      await within(clock, Math.min(graceMs, STOP_MS), gone);
    }
    for (const member of this.#living) member.kill();
    await within(clock, KILLED_MS, gone);
  }

  /** @returns false if no process can take it now */
  #give(turn: Turn): boolean {
    for (const member of this.#members) if (member.ready() && member.give(turn)) return true;
    return false;
  }

  #serveQueue(): void {
    // A process that turns out to be unfit asks for this from within, while its turn is still in the queue.
    if (this.#serving) return;
    this.#serving = true;
    for (const turn of this.#queue) {
      if (!this.#give(turn)) break;
      this.#queue.delete(turn);
    }
    this.#serving = false;
    this.#grow();
  }

  #grow(): void {
    const { image } = this;
    if (this.#queue.size === 0 || image === undefined || this.#killed) return;
    const { processes } = this.#limits;
    const now = performance.now();
    const none = this.#members.size + this.#starting === 0;
    if (this.#members.size + this.#starting >= processes || this.#starting >= this.#queue.size) return;
    if (!none && now - this.#triedInVainMs < RETRY_MS) return;
    void this.#add(image);
  }

  async #add(image: LoopImage): Promise<void> {
    this.#starting++;
    const started = await this.#start(image);
    this.#starting--;
    if (typeof started === 'string') {
      this.#triedInVainMs = performance.now();
      if (this.#members.size + this.#starting === 0) this.#giveUpQueue();
      return;
    }
    if (this.image !== image) {
      started.leave();
      return;
    }
    this.#members.add(started);
    this.#shrinkLater();
    this.#serveQueue();
  }

  async #start(image: LoopImage, initLeftMs = this.#limits.initTimeoutMs): Promise<LoopMember | string> {
    const trust = this.#trusts.get(image) ?? { misbehaved: false };
    this.#trusts.set(image, trust);
    const member = new LoopMember(image, trust, this.#limits, {
      available: () => this.#serveQueue(),
      extraLine: (line) => {
        this.#extraLines++;
        this.#extraLine(line);
      },
      retired: (end) => this.#onRetired(member, end),
    });
    this.#living.add(member);
    void member.gone.then(() => this.#living.delete(member));
    const problem = await startMember(member, this.#launch, { ...this.#limits, initLeftMs });
    if (problem === undefined) {
      this.#started++;
      return member;
    }
    if (!member.attached) this.#living.delete(member);
    return problem;
  }

  #onRetired(member: LoopMember, { lost, proven, unread }: Retirement): void {
    const served = this.#members.delete(member);
    if (lost && served) this.#lost++;
    const { image } = this;
    const isLast = served && this.#members.size + this.#starting === 0;
    // One that ends before it can have an activation would be started for it again and again.
    const [next] = this.#queue;
    if (!proven) this.#triedInVainMs = performance.now();
    if (!proven && isLast && unread.length === 0 && next !== undefined) {
      this.#queue.delete(next);
      this.#queueAgain([next]);
    } else this.#queueAgain(unread);
    // The next activation shall find a warm process; one that never answered anything is not tried for nothing.
    if (isLast && proven && image !== undefined && !this.#killed) void this.#add(image);
    else this.#serveQueue();
  }

  /** First in the queue, as they were before; whoever has had too many processes end on it is told so. */
  #queueAgain(turns: readonly Turn[]): void {
    if (turns.length === 0) return;
    const waiting = [...this.#queue];
    this.#queue.clear();
    for (const turn of turns) {
      turn.returned = (turn.returned ?? 0) + 1;
      const again = turn.returned < TRIES && !turn.expired && !this.#killed;
      if (again) this.#queue.add(turn);
      else turn.settle({ kind: 'exited', exit: {} });
    }
    for (const turn of waiting) this.#queue.add(turn);
  }

  #giveUpQueue(): void {
    for (const turn of this.#queue) {
      this.#queue.delete(turn);
      turn.settle({ kind: 'not-started' });
    }
  }

  /** Looks after the processes beyond the first, while there are any. */
  #shrinkLater(): void {
    if (this.#shrinking || this.#members.size <= 1) return;
    this.#shrinking = true;
    const { clock, idleMs } = this.#limits;
    clock.alarm({ inMs: idleMs }, () => {
      this.#shrinking = false;
      const now = clock.nowMs();
      // The first one stays: work goes to whoever comes first in the set, so the last ones are idle.
      for (const member of [...this.#members].slice(1).reverse()) {
        if (member.busy || now - member.usedMs < idleMs) continue;
        this.#members.delete(member);
        member.leave();
      }
      this.#shrinkLater();
    });
  }
}
