import { constants } from 'node:os';
import type { ActionImage } from '../../../os/action-image.js';
import type { ProcessExit } from '../../../protocol/answer.js';
import type { TemplateDependencies } from '../build/dependencies.js';
import type { StringLayout } from '../build/string-layout.js';
import { Channel } from '../ipc/channel.js';
import type { ForkserverContext } from '../ipc/context.js';
import type { ChildHandle } from '../ipc/reaper.js';
import { type CloneOutcome, cloneOutcomeOf } from '../ipc/start-timeouts.js';
import { killUnreportedClones } from '../ipc/unreported-clones.js';

/** So many milliseconds share one layout of the address space, besides so many runs. */
const MAX_LIFETIME_MS = 600_000;
/** Ends that a program does not choose, and how many of them in a row are taken for the template's fault. */
const { SIGBUS, SIGILL, SIGSEGV, SIGSYS, SIGTRAP } = constants.signals;
const FAULTS = new Set<number>([SIGBUS, SIGILL, SIGSEGV, SIGSYS, SIGTRAP]);
const MAX_CONSECUTIVE_FAULTS = 3;

/** What is needed of a template process. */
interface BuiltParts {
  readonly pid: number;
  readonly dependencies: Pick<TemplateDependencies, 'invalidate' | 'isUnchanged'>;
}

/** What a template is made from. */
interface TemplateParts {
  readonly action: ActionImage;
  readonly layout: StringLayout;
  readonly built: BuiltParts;
  /** Our end of its socket. */
  readonly socket: number;
  /** After so many milliseconds it is made anew; undefined where there is no need before it expires. */
  readonly retryAfterMs: number | undefined;
  /** Who looks after its process; undefined: the thread's reaper. */
  readonly process?: Pick<ChildHandle, 'kill'>;
}

/** The life of one template process: what was sent to it, what it told, its end. */
export class Template {
  readonly action: ActionImage;
  readonly layout: StringLayout;
  readonly built: BuiltParts;
  readonly #context: ForkserverContext;
  readonly #process: Pick<ChildHandle, 'kill'> | undefined;
  readonly #channel: Channel;
  readonly #pending = new Map<number, (outcome: CloneOutcome) => void>();
  readonly #createdMs = performance.now();
  readonly #lifeMs: number;
  #lastRunMs = performance.now();
  #runs = 0;
  #faults = 0;
  #hasRunWell = false;
  #retired = false;

  constructor(context: ForkserverContext, parts: TemplateParts, died: () => void) {
    const { built, socket, retryAfterMs = MAX_LIFETIME_MS } = parts;
    this.action = parts.action;
    this.layout = parts.layout;
    this.built = built;
    this.#lifeMs = retryAfterMs;
    this.#context = context;
    this.#process = parts.process ?? context.reaper.watchChild(built.pid);
    this.#channel = new Channel(socket, context, {
      reply: (reply) => {
        // A clone that could not become the action has ended already.
        if (reply.error !== 0 && reply.pid > 0) context.reaper.watchChild(reply.pid);
        this.#settle(reply.id, cloneOutcomeOf(reply));
        this.#closeWhenDone();
      },
      // Its end of the socket is closed, and so is that of each clone that had not begun: what has not been told
      // will not happen.
      ended: () => {
        for (const id of [...this.#pending.keys()]) this.#settle(id, { kind: 'lost' });
        context.reaper.scheduleSweep(() => context.startTimeouts.isIdle);
        if (!this.#retired) died();
      },
    });
  }

  /** Whether its clones should have a new layout by now, or it could stand later. */
  get isExpired(): boolean {
    return this.#runs >= this.#context.maxRuns || performance.now() - this.#createdMs >= this.#lifeMs;
  }

  /** For so many milliseconds no run has begun with it. */
  get idleMs(): number {
    return performance.now() - this.#lastRunMs;
  }

  /** Whether a clone of it has ended otherwise than by a fault. */
  get hasRunWell(): boolean {
    return this.#hasRunWell;
  }

  /** Whether a run has begun with it. */
  get hasServed(): boolean {
    return this.#runs > 0;
  }

  get isAlive(): boolean {
    return this.#channel.open && !this.#retired;
  }

  /** One more run has begun with its layout, by itself or by a prewarmed clone of it. */
  recordStart(): void {
    this.#runs++;
    this.#lastRunMs = performance.now();
  }

  /**
   * A run of it has ended.
   *
   * @returns whether so many in a row ended by faults that its clones can't be trusted
   */
  recordExit({ signal }: ProcessExit): boolean {
    if (signal === undefined || !FAULTS.has(signal)) {
      this.#faults = 0;
      this.#hasRunWell = true;
      return false;
    }
    // A library may have been overwritten in place.
    this.built.dependencies.invalidate();
    return ++this.#faults === MAX_CONSECUTIVE_FAULTS;
  }

  /**
   * Sends a message that it answers.
   *
   * @param settle told once
   * @returns false when it was not sent
   */
  send(id: number, message: bigint, settle: (outcome: CloneOutcome) => void): boolean {
    if (!this.#channel.send(message)) return false;
    this.#pending.set(id, settle);
    this.#context.startTimeouts.begin(id, () => this.kill());
    return true;
  }

  /** Sends a message whose answer comes elsewhere. */
  sendOneWay(message: bigint): boolean {
    return this.#channel.send(message);
  }

  /** Ends it by force, with its clones that have not begun: those are told as lost. */
  kill(): void {
    const { reaper, channels } = this.#context;
    this.#process?.kill();
    killUnreportedClones(this.built.pid, reaper, channels);
  }

  /** Takes no further runs; ends once those under way have begun. */
  retire(): void {
    this.#retired = true;
    this.#closeWhenDone();
  }

  #settle(id: number, outcome: CloneOutcome): void {
    const settle = this.#pending.get(id);
    this.#pending.delete(id);
    this.#context.startTimeouts.end(id);
    settle?.(outcome);
  }

  #closeWhenDone(): void {
    if (!this.#retired || this.#pending.size > 0) return;
    this.#channel.close();
    this.#process?.kill();
  }
}
