import { constants } from 'node:os';
import type { ActionImage, ProcessExit } from '../engine.js';
import { Channel } from './channel.js';
import type { EngineContext } from './context.js';
import { type CloneOutcome, outcomeOf } from './pending.js';
import type { Expected } from './reaper.js';
import type { Built } from './set-up/build.js';
import type { Shape } from './shape.js';
import { endStrays } from './strays.js';

/** So many milliseconds share one layout of the address space, besides so many runs. */
const LONGEST_LIFE_MS = 600_000;
/** Ends that a program does not choose, and how many of them in a row are taken for the template's fault. */
const { SIGBUS, SIGILL, SIGSEGV, SIGSYS, SIGTRAP } = constants.signals;
const FAULTS = new Set<number>([SIGBUS, SIGILL, SIGSEGV, SIGSYS, SIGTRAP]);
const MAX_FAULTS_IN_A_ROW = 3;

/** What a template is made from. */
export interface TemplateParts {
  readonly action: ActionImage;
  readonly shape: Shape;
  readonly built: Pick<Built, 'pid' | 'identity'>;
  /** Our end of its socket. */
  readonly socket: number;
  /** After so many milliseconds it is made anew; undefined where there is no need before it is worn. */
  readonly retryAfterMs: number | undefined;
}

/** The life of one template process: what was sent to it, what it told, its end. */
export class Template {
  readonly action: ActionImage;
  readonly shape: Shape;
  readonly built: Pick<Built, 'pid' | 'identity'>;
  readonly #context: EngineContext;
  readonly #process: Expected | undefined;
  readonly #channel: Channel;
  readonly #pending = new Map<number, (outcome: CloneOutcome) => void>();
  readonly #bornMs = performance.now();
  readonly #lifeMs: number;
  #lastRunMs = performance.now();
  #runs = 0;
  #faults = 0;
  #hasRunWell = false;
  #retired = false;

  constructor(context: EngineContext, parts: TemplateParts, died: () => void) {
    const { built, socket, retryAfterMs = LONGEST_LIFE_MS } = parts;
    this.action = parts.action;
    this.shape = parts.shape;
    this.built = built;
    this.#lifeMs = retryAfterMs;
    this.#context = context;
    this.#process = context.reaper.expectEnd(built.pid);
    this.#channel = new Channel(socket, context, {
      reply: (reply) => {
        // A clone that could not become the action has ended already.
        if (reply.error !== 0 && reply.pid > 0) context.reaper.expectEnd(reply.pid);
        this.#settle(reply.id, outcomeOf(reply));
        this.#closeWhenDone();
      },
      // Its end of the socket is closed, and so is that of each clone that had not begun: what has not been told
      // will not happen.
      ended: () => {
        for (const id of [...this.#pending.keys()]) this.#settle(id, { kind: 'lost' });
        context.reaper.sweepLater(() => context.patience.idle);
        if (!this.#retired) died();
      },
    });
  }

  /** Whether its clones should have a new layout by now, or it could stand later. */
  get worn(): boolean {
    return this.#runs >= this.#context.mostRuns || performance.now() - this.#bornMs >= this.#lifeMs;
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

  get alive(): boolean {
    return this.#channel.open && !this.#retired;
  }

  /** One more run has begun with its layout, by itself or by a spare clone of it. */
  countRun(): void {
    this.#runs++;
    this.#lastRunMs = performance.now();
  }

  /**
   * A run of it has ended.
   *
   * @returns whether so many in a row ended by faults that its clones can't be trusted
   */
  noteEnd({ signal }: ProcessExit): boolean {
    if (signal === undefined || !FAULTS.has(signal)) {
      this.#faults = 0;
      this.#hasRunWell = true;
      return false;
    }
    // A library may have been overwritten in place.
    this.built.identity.doubt();
    return ++this.#faults === MAX_FAULTS_IN_A_ROW;
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
    this.#context.patience.begin(id, () => this.giveUp());
    return true;
  }

  /** Sends a message whose answer comes elsewhere. */
  post(message: bigint): boolean {
    return this.#channel.send(message);
  }

  /** Ends it by force, with its clones that have not begun: those are told as lost. */
  giveUp(): void {
    const { reaper, channels } = this.#context;
    this.#process?.kill();
    endStrays(this.built.pid, reaper, channels);
  }

  /** Takes no further runs; ends once those under way have begun. */
  retire(): void {
    this.#retired = true;
    this.#closeWhenDone();
  }

  #settle(id: number, outcome: CloneOutcome): void {
    const settle = this.#pending.get(id);
    this.#pending.delete(id);
    this.#context.patience.end(id);
    settle?.(outcome);
  }

  #closeWhenDone(): void {
    if (!this.#retired || this.#pending.size > 0) return;
    this.#channel.close();
    this.#process?.kill();
  }
}
