import { constants } from 'node:os';
import { close, kill } from '../../libc.js';
import { Channel, openSocketPair } from './channel.js';
import type { EngineContext } from './context.js';
import { type CloneOutcome, outcomeOf } from './pending.js';
import type { Expected } from './reaper.js';
import type { Template } from './template.js';

/** Clones that wait, per thread: one for the next run, one for the run after it while the first is replaced. */
const MOST_SPARES = 2;
/** With more runs at once in this thread, cloning ahead only costs: the processors are busy anyway. */
const IDLE_RUNS = 2;
const SATURATED_RUNS = 6;

/** A clone that was made ahead and waits for its run. */
interface Spare {
  readonly template: Template;
  readonly channel: Channel;
  readonly orderId: number;
  readonly orderedMs: number;
  /** 0 until it has told that it waits. */
  pid: number;
  /** While it waits: its end is looked after. */
  expected: Expected | undefined;
  /** Once a run was sent to it. */
  pidfd: number;
  settle: ((outcome: CloneOutcome) => void) | undefined;
  runId: number;
  unwanted: boolean;
}

/**
 * Clones that wait for their run, so that a single caller does not wait for a clone to be made: at low load only, for
 * under load the time is better spent otherwise.
 */
export class Spares {
  readonly #context: EngineContext;
  readonly #waiting: Spare[] = [];
  readonly #coming = new Set<Spare>();

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /**
   * Sends a run to a clone of this template that waits.
   *
   * @returns false when there is none
   */
  send(template: Template, id: number, message: bigint, settle: (outcome: CloneOutcome) => void): boolean {
    for (let spare = this.#take(template); spare !== undefined; spare = this.#take(template)) {
      if (spare.channel.send(message)) {
        const { pid } = spare;
        // It may begin and end before it is heard of: from now on its end is the run's.
        spare.pidfd = spare.expected?.take() ?? -1;
        spare.settle = settle;
        spare.runId = id;
        this.#context.patience.begin(id, () => kill(pid, constants.signals.SIGKILL));
        this.#context.stats.add('spareHits');
        this.#tellWaiting();
        return true;
      }
      this.#discard(spare);
    }
    this.#context.stats.add('spareMisses');
    // All that wait are of the other template: the next one is to be of this.
    const oldest = this.missing ? undefined : this.#waiting.shift();
    if (oldest !== undefined) this.#discard(oldest);
    this.#tellWaiting();
    return false;
  }

  /** Whether fewer wait than may. */
  get missing(): boolean {
    return this.#waiting.length + this.#coming.size < MOST_SPARES;
  }

  /** Has clones made, or lets them go, by how much there is to do. */
  adapt(template: Template, runsInFlight: number): void {
    if (runsInFlight >= SATURATED_RUNS) this.letGo();
    if (runsInFlight > IDLE_RUNS) return;
    while (this.missing) if (!this.#order(template)) return;
  }

  /** Ends all that wait. */
  letGo(): void {
    for (const spare of this.#waiting.splice(0)) this.#discard(spare);
    this.#tellWaiting();
    // One that is not there yet is let go once it has told its number: then it can be reaped.
    for (const spare of this.#coming) spare.unwanted = true;
    this.#coming.clear();
  }

  /** The clone of this template that has waited longest; those whose template is gone go, too. */
  #take(template: Template): Spare | undefined {
    for (let at = 0; at < this.#waiting.length; ) {
      const spare = this.#waiting[at] as Spare;
      if (spare.template === template || !spare.template.alive) this.#waiting.splice(at, 1);
      else at++;
      if (spare.template === template) return spare;
      if (!spare.template.alive) this.#discard(spare);
    }
    return undefined;
  }

  #order(template: Template): boolean {
    const { block, patience, nextId } = this.#context;
    const pair = openSocketPair();
    if (pair === undefined) return false;
    const [ours, theirs] = pair;
    const orderId = nextId();
    const sent = template.post(block.spare(orderId, theirs));
    close(theirs);
    if (!sent) {
      close(ours);
      return false;
    }
    const channel = new Channel(ours, this.#context, {
      reply: (reply) => {
        if (spare.pid === 0) this.#arrived(spare, reply.pid);
        else this.#settle(spare, outcomeOf(reply));
      },
      ended: () => this.#settle(spare, { kind: 'lost' }),
    });
    const spare: Spare = {
      template,
      channel,
      orderId,
      orderedMs: performance.now(),
      pid: 0,
      expected: undefined,
      pidfd: -1,
      settle: undefined,
      runId: 0,
      unwanted: false,
    };
    this.#coming.add(spare);
    patience.begin(orderId, () => template.giveUp());
    return true;
  }

  #arrived(spare: Spare, pid: number): void {
    spare.pid = pid;
    this.#context.patience.end(spare.orderId);
    spare.expected = this.#context.reaper.expectEnd(pid);
    this.#coming.delete(spare);
    // One that can't be watched ends when its socket is closed.
    if (spare.unwanted || spare.expected === undefined) this.#discard(spare);
    else this.#waiting.push(spare);
    this.#context.stats.refilled(performance.now() - spare.orderedMs);
    this.#tellWaiting();
  }

  #tellWaiting(): void {
    this.#context.stats.waiting(this.#waiting.length);
  }

  /** It has begun, or it has ended and never will. */
  #settle(spare: Spare, outcome: CloneOutcome): void {
    const { patience, reaper } = this.#context;
    patience.end(spare.orderId);
    this.#coming.delete(spare);
    const at = this.#waiting.indexOf(spare);
    if (at >= 0) this.#waiting.splice(at, 1);
    this.#tellWaiting();
    spare.channel.close();
    if (outcome.kind !== 'started') {
      if (spare.pid === 0) reaper.sweepLater(() => patience.idle);
      else if (spare.pidfd >= 0) reaper.expectEnd(spare.pid, spare.pidfd);
    }
    if (spare.settle === undefined) return;
    patience.end(spare.runId);
    spare.settle(
      outcome.kind === 'started' && spare.pidfd >= 0 ? { ...outcome, pidfd: spare.pidfd } : outcome,
    );
  }

  #discard(spare: Spare): void {
    spare.channel.close();
    spare.expected?.kill();
    this.#context.stats.add('sparesDiscarded');
  }
}
