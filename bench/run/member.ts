import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../src/protocol/message-of.js';
import { type ClosedOptions, closedLoop } from '../load/closed.js';
import { Connection, requestBytes } from '../load/connection.js';
import { countError, type ErrorCounts, totalErrors } from '../load/exchange.js';
import { freshLoop } from '../load/fresh.js';
import { openLoop } from '../load/open.js';
import type { BenchLoad } from '../report/schema.js';
import type { ActionProtocol, ScenarioDefinition } from '../scenarios/definition.js';
import { AnswerLimit, firstAbort, Unanswered } from '../support/abort.js';
import { initBody } from '../support/archive.js';
import { type FoundTarget, RunningTarget } from '../targets/running.js';
import { discardedSeconds } from './plan.js';
import type { Outcome, Watch } from './round.js';
import { Interrupted, type Session } from './session.js';

/** For what a server is asked before a load. */
const ANSWER_TIMEOUT_MS = 60_000;
/** What a load leaves behind must be done by then, or the target is started anew. */
const SETTLE_MS = 1500;
const DRAIN_SECONDS = 3;
const EXCERPT_CHARS = 300;

/** What every kind of load gets. */
type LoadParts = Omit<ClosedOptions, 'connections'>;

/** A target in a scenario: started, initialised with its action, ready for loads. */
export class Member implements Watch {
  readonly target: FoundTarget;
  readonly #session: Session;
  readonly #scenario: ScenarioDefinition;
  #running: RunningTarget | undefined;
  #unwatch: () => void = () => undefined;

  constructor(session: Session, scenario: ScenarioDefinition, target: FoundTarget) {
    this.#session = session;
    this.#scenario = scenario;
    this.target = target;
  }

  get id(): string {
    return this.target.definition.id;
  }

  pid(): number | undefined {
    return this.#running?.pid;
  }

  /**
   * Starts the server where it does not run, puts the action into it and asks it once.
   *
   * @throws Error that says what went wrong, with the tail of its log
   */
  async start(): Promise<void> {
    if (this.#running?.isAlive === true) return;
    await this.stop();
    const unanswered = this.#session.unanswered.get(this.id);
    if (unanswered !== undefined) throw new Error(unanswered);
    try {
      await this.#start();
    } catch (error) {
      // It would take as long for each load.
      if (isUnanswered(error)) this.#session.unanswered.set(this.id, reasonOf(error));
      throw error;
    }
  }

  async #start(): Promise<void> {
    const program = await programOf(this.#session, this.#scenario, this.target);
    this.#running = await RunningTarget.launch(this.target, this.#session.folder, program);
    this.#unwatch = this.#session.watch(this.#running);
    await this.#running.listening();
    this.#session.check();
    if (this.target.definition.init === 'post') {
      await initialise(this.#running, initBody({ exec: await readFile(program) }));
    }
    await askOnce(this.#running, this.#scenario);
  }

  /** Applies a load for so long. */
  async apply(load: BenchLoad, seconds: number): Promise<Outcome> {
    const running = this.#alive();
    const stop = firstAbort(this.#session.signal, running.died.signal);
    const common: LoadParts = {
      endpoint: running.endpoint,
      seconds,
      source: this.#scenario.exchanges(),
      signal: stop.signal,
      onAnswer: this.#session.view.answer,
    };
    try {
      return await this.#applied(load, common, running);
    } finally {
      stop.release();
    }
  }

  async #applied(load: BenchLoad, common: LoadParts, running: RunningTarget): Promise<Outcome> {
    let outcome: Outcome;
    if (load.kind === 'closed') {
      const loop = this.#scenario.freshConnections === true ? freshLoop : closedLoop;
      const result = await loop({ ...common, connections: load.connections });
      outcome = { ...result, requests: result.answers, activations: result.allAnswers };
    } else if (load.kind === 'open') {
      const { connections, ratePerSecond } = load;
      const result = await openLoop({
        ...common,
        connections,
        ratePerSecond,
        warmUpSeconds: discardedSeconds(this.#scenario, load),
        drainSeconds: DRAIN_SECONDS,
      });
      outcome = {
        ...result,
        requests: result.answers,
        activations: result.allAnswers,
        senderLateP99Us: result.lateP99Us,
      };
    } else {
      throw new RangeError(`${load.kind} is no load of a running server`);
    }
    this.#session.check();
    // A target that died has a better reason than what its clients saw of it.
    if (!running.isAlive) throw new Error(`it ended during the load${running.logTail()}`);
    running.emptyLog();
    return outcome;
  }

  /** Waits until nothing of the last load is left, and starts the target anew when that takes long. */
  async settle(): Promise<void> {
    const running = this.#running;
    if (running?.isAlive === true) {
      const asked = askOnce(running, this.#scenario).then(
        () => true,
        () => false,
      );
      if (await Promise.race([asked, delay(SETTLE_MS, false)])) return;
      if (running.pid === undefined) return;
    }
    this.#session.check();
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    this.#unwatch();
    await this.#running?.stop();
    this.#running = undefined;
  }

  #alive(): RunningTarget {
    if (this.#running?.isAlive !== true) throw new Error('it does not run any more');
    return this.#running;
  }
}

/** The action's program for the target's protocol. */
export function programOf(
  { programs, folder }: Session,
  scenario: ScenarioDefinition,
  { definition }: FoundTarget,
): Promise<string> {
  const protocol: ActionProtocol = definition.protocol === 'actionloop' ? 'actionloop' : 'classic';
  return scenario.action({ programs, folder }, protocol);
}

/**
 * POST /init.
 *
 * @throws Error with what was answered instead of a 200
 */
export async function initialise(
  running: RunningTarget,
  body: string,
  limitMs = ANSWER_TIMEOUT_MS,
): Promise<void> {
  const path = running.endpoint.path.replace(/\/run$/, '/init');
  const { status, text } = await post(running, body, path, limitMs);
  if (status !== 200) {
    throw new Error(`POST /init was answered ${status} ${text.slice(0, EXCERPT_CHARS)}${running.logTail()}`);
  }
}

/**
 * One POST /run on a connection of its own.
 *
 * @throws Error when the answer is wrong, or the connection would not be kept for another request
 */
export async function askOnce(running: RunningTarget, scenario: ScenarioDefinition): Promise<void> {
  const exchange = scenario.exchanges().next();
  const { status, text, closes } = await post(running, exchange.body, running.endpoint.path);
  if (status !== 200 || !exchange.check(text)) {
    throw new Error(`POST /run was answered ${status} ${text.slice(0, EXCERPT_CHARS)}${running.logTail()}`);
  }
  if (closes) throw new Error('it ends each connection after one answer: loads need kept connections');
}

async function post(
  running: RunningTarget,
  body: string,
  path: string,
  limitMs = ANSWER_TIMEOUT_MS,
): Promise<{ status: number; text: string; closes: boolean }> {
  const connection = new Connection(running.endpoint);
  const limit = new AnswerLimit(limitMs, running.died.signal);
  try {
    const answer = connection.send(requestBytes(running.endpoint, body, path));
    const { status, body: bytes, closes } = await Promise.race([answer, limit.passed]);
    return { status, text: bytes.toString('utf8'), closes };
  } catch (error) {
    const reason = messageOf(error);
    throw new Error(`POST ${path}: ${reason}${running.logTail()}`, { cause: error });
  } finally {
    limit.release();
    connection.close();
  }
}

function isUnanswered(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof Unanswered;
}

/** What went wrong as a cell's reason; an interruption goes on up. */
export function reasonOf(error: unknown): string {
  if (error instanceof Interrupted) throw error;
  return messageOf(error);
}

/** Says which answers were wrong, also before the measured time; undefined when none was but of the tolerated kinds. */
export function wrongAnswers(outcome: Outcome, tolerated: readonly string[] = []): string | undefined {
  const bad: ErrorCounts = {};
  for (const [kind, count] of [outcome.errors, outcome.warmUpErrors ?? {}].flatMap(Object.entries<number>)) {
    if (!tolerated.includes(kind)) countError(bad, kind, count);
  }
  const kinds = Object.entries(bad).map(([kind, count]) => `${count} × ${kind}`);
  if (totalErrors(bad) > 0)
    return `wrong answers: ${kinds.join(', ')}; the first was ${outcome.example ?? '-'}`;
  return outcome.requests === 0 ? 'no answer in the measured time' : undefined;
}
