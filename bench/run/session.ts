import type { Calibration } from '../measure/calibration.js';
import type { Programs } from '../support/programs.js';
import type { RunningTarget } from '../targets/running.js';
import type { Plan } from './plan.js';
import type { View } from './view.js';

/** Thrown through everything when the person has had enough. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

/** What all parts of one run share. */
export class Session {
  readonly plan: Plan;
  readonly signal: AbortSignal;
  readonly view: View;
  readonly calibration: Calibration;
  readonly programs: Programs;
  /** For whatever is needed meanwhile. */
  readonly folder: string;
  /** The highest rates of the generator, by connections; empty where they could not be measured. */
  readonly ceilings = new Map<number, number>();
  /** Targets that have not answered in time, and what it was: nothing more is asked of them. */
  readonly unanswered = new Map<string, string>();
  #repeatMsLeft: number;
  readonly #running = new Set<RunningTarget>();

  constructor(facts: {
    plan: Plan;
    signal: AbortSignal;
    view: View;
    calibration: Calibration;
    programs: Programs;
    folder: string;
  }) {
    this.plan = facts.plan;
    this.signal = facts.signal;
    this.view = facts.view;
    this.calibration = facts.calibration;
    this.programs = facts.programs;
    this.folder = facts.folder;
    this.#repeatMsLeft = facts.plan.repeatSeconds * 1000;
  }

  /** @throws Interrupted when the run was interrupted */
  check(): void {
    if (this.signal.aborted) throw new Interrupted();
  }

  /** The processes whose work is no noise. */
  get pids(): number[] {
    return [...this.#running].flatMap((target) =>
      target.pid !== undefined && target.isAlive ? [target.pid] : [],
    );
  }

  /** Keeps account of a server that was started; the answer takes it off again. */
  watch(target: RunningTarget): () => void {
    this.#running.add(target);
    return () => this.#running.delete(target);
  }

  /** Whether a disturbed round may be repeated: the time for that is limited, and this takes of it. */
  mayRepeat(ms: number): boolean {
    if (this.#repeatMsLeft < ms) return false;
    this.#repeatMsLeft -= ms;
    return true;
  }
}
