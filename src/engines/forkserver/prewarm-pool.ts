import { constants } from 'node:os';
import { close, kill } from '../../os/libc.js';
import { Channel, openSocketPair } from './ipc/channel.js';
import type { ForkserverContext } from './ipc/context.js';
import type { ChildHandle } from './ipc/reaper.js';
import { type CloneOutcome, cloneOutcomeOf } from './ipc/start-timeouts.js';
import type { Template } from './templates/template.js';

/** Prewarmed clones, per thread: one for the next run, one for the run after it while the first is replaced. */
const MAX_PREWARMED = 2;
/** With more concurrent runs on this thread prewarming only costs time: the processors are busy anyway. */
const IDLE_RUNS = 2;
const SATURATED_RUNS = 6;

/** A clone that was made ahead of its run. */
interface PrewarmedClone {
  readonly template: Template;
  readonly channel: Channel;
  readonly requestId: number;
  readonly requestedMs: number;
  /** 0 until it has told that it waits. */
  pid: number;
  /** While it waits: its end is looked after. */
  handle: ChildHandle | undefined;
  /** Once a run was sent to it. */
  pidfd: number;
  settle: ((outcome: CloneOutcome) => void) | undefined;
  runId: number;
  isDiscarded: boolean;
}

/**
 * Clones that are made before their run comes, so that a single caller does not wait for clone(2). At low load only:
 * under load the time is better spent otherwise.
 */
export class PrewarmPool {
  readonly #context: ForkserverContext;
  readonly #ready: PrewarmedClone[] = [];
  readonly #starting = new Set<PrewarmedClone>();

  constructor(context: ForkserverContext) {
    this.#context = context;
  }

  /**
   * Sends a run to a prewarmed clone of this template.
   *
   * @returns false when there is none
   */
  trySend(template: Template, id: number, message: bigint, settle: (outcome: CloneOutcome) => void): boolean {
    for (let clone = this.#takeClone(template); clone !== undefined; clone = this.#takeClone(template)) {
      if (clone.channel.send(message)) {
        const { pid } = clone;
        // It may begin and end before it is heard of: from now on its end is the run's.
        clone.pidfd = clone.handle?.release() ?? -1;
        clone.settle = settle;
        clone.runId = id;
        this.#context.startTimeouts.begin(id, () => kill(pid, constants.signals.SIGKILL));
        this.#context.stats.add('spareHits');
        this.#reportReady();
        return true;
      }
      this.#discard(clone);
    }
    this.#context.stats.add('spareMisses');
    // All that wait are of the other template: the next one is to be of this.
    const oldest = this.isBelowTarget ? undefined : this.#ready.shift();
    if (oldest !== undefined) this.#discard(oldest);
    this.#reportReady();
    return false;
  }

  /** Whether there are fewer prewarmed clones than there may be. */
  get isBelowTarget(): boolean {
    return this.#ready.length + this.#starting.size < MAX_PREWARMED;
  }

  /** Requests or discards prewarmed clones by the number of runs in flight. */
  adjust(template: Template, runsInFlight: number): void {
    if (runsInFlight >= SATURATED_RUNS) this.discardAll();
    if (runsInFlight > IDLE_RUNS) return;
    while (this.isBelowTarget) if (!this.#requestClone(template)) return;
  }

  /** Ends all prewarmed clones. */
  discardAll(): void {
    for (const clone of this.#ready.splice(0)) this.#discard(clone);
    this.#reportReady();
    // One that is not there yet is let go once it has told its number: then it can be reaped.
    for (const clone of this.#starting) clone.isDiscarded = true;
    this.#starting.clear();
  }

  /** The clone of this template that has waited longest; those whose template is gone go, too. */
  #takeClone(template: Template): PrewarmedClone | undefined {
    for (let at = 0; at < this.#ready.length; ) {
      const clone = this.#ready[at] as PrewarmedClone;
      if (clone.template === template || !clone.template.isAlive) this.#ready.splice(at, 1);
      else at++;
      if (clone.template === template) return clone;
      if (!clone.template.isAlive) this.#discard(clone);
    }
    return undefined;
  }

  #requestClone(template: Template): boolean {
    const { block, startTimeouts, nextId } = this.#context;
    const pair = openSocketPair();
    if (pair === undefined) return false;
    const [ours, theirs] = pair;
    const requestId = nextId();
    const sent = template.sendOneWay(block.encodePrewarm(requestId, theirs));
    close(theirs);
    if (!sent) {
      close(ours);
      return false;
    }
    const channel = new Channel(ours, this.#context, {
      reply: (reply) => {
        if (clone.pid === 0) this.#onReady(clone, reply.pid);
        else this.#settle(clone, cloneOutcomeOf(reply));
      },
      ended: () => this.#settle(clone, { kind: 'lost' }),
    });
    const clone: PrewarmedClone = {
      template,
      channel,
      requestId,
      requestedMs: performance.now(),
      pid: 0,
      handle: undefined,
      pidfd: -1,
      settle: undefined,
      runId: 0,
      isDiscarded: false,
    };
    this.#starting.add(clone);
    startTimeouts.begin(requestId, () => template.kill());
    return true;
  }

  #onReady(clone: PrewarmedClone, pid: number): void {
    clone.pid = pid;
    this.#context.startTimeouts.end(clone.requestId);
    clone.handle = this.#context.reaper.watchChild(pid);
    this.#starting.delete(clone);
    // One that can't be watched ends when its socket is closed.
    if (clone.isDiscarded || clone.handle === undefined) this.#discard(clone);
    else this.#ready.push(clone);
    this.#context.stats.recordRefill(performance.now() - clone.requestedMs);
    this.#reportReady();
  }

  #reportReady(): void {
    this.#context.stats.setPrewarmed(this.#ready.length);
  }

  /** It has begun, or it has ended and never will. */
  #settle(clone: PrewarmedClone, outcome: CloneOutcome): void {
    const { startTimeouts, reaper } = this.#context;
    startTimeouts.end(clone.requestId);
    this.#starting.delete(clone);
    const at = this.#ready.indexOf(clone);
    if (at >= 0) this.#ready.splice(at, 1);
    this.#reportReady();
    clone.channel.close();
    if (outcome.kind !== 'started') {
      if (clone.pid === 0) reaper.scheduleSweep(() => startTimeouts.isIdle);
      else if (clone.pidfd >= 0) reaper.watchChild(clone.pid, clone.pidfd);
    }
    if (clone.settle === undefined) return;
    startTimeouts.end(clone.runId);
    clone.settle(
      outcome.kind === 'started' && clone.pidfd >= 0 ? { ...outcome, pidfd: clone.pidfd } : outcome,
    );
  }

  #discard(clone: PrewarmedClone): void {
    clone.channel.close();
    clone.handle?.kill();
    this.#context.stats.add('sparesDiscarded');
  }
}
