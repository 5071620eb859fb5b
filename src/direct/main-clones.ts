import { readRunBody } from '../contract/run-body.js';
import { wipe } from '../contract/wipe.js';
import { NativeSink } from '../logs/native-sink.js';
import type { RunAnswer, RunTask, WorkerSettings } from '../pool/messages.js';
import { StartGate } from '../pool/start-gate.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import type { AwakeClock } from '../process/awake-clock.js';
import type { StartRequest } from '../process/engines/engine.js';
import { CloneEngine } from '../process/engines/forkserver/clone-engine.js';
import { createContext } from '../process/engines/forkserver/context.js';
import { StatsWriter } from '../process/engines/forkserver/stats.js';
import { Ledger } from '../process/ledger.js';
import { awaitedElsewhere } from '../process/orphans.js';
import { Reactor } from '../process/reactor.js';
import { type ActionOf, actionCache } from '../worker/action-cache.js';
import { Activation, type ActivationLimits } from '../worker/activation.js';
import type { LogStreams } from '../worker/activation-log.js';
import { loweredLimitOf } from '../worker/lowered-limit.js';
import { refuseForWant } from '../worker/refuse-for-want.js';
import { factsOf, withTrace } from '../worker/request-parts.js';
import { limitsOf, ownerNumbers, streamsOf } from '../worker/surroundings.js';
import { OrderedTemplates } from './ordered-templates.js';

const MAIN_THREAD = 0;

/** What the main thread runs activations with: clones of templates that a worker makes. */
export class MainClones {
  readonly #reactor = new Reactor();
  readonly #gate: StartGate;
  readonly #engine: CloneEngine;
  readonly #actionOf: ActionOf;
  readonly #logs: LogStreams;
  readonly #limits: ActivationLimits;
  readonly #nextOwner: () => number;
  readonly #forgetPids: () => void;
  /** What {@link ActionOf} was last asked for. */
  #current = { generation: 0, variables: '' };

  /** @throws Unsuitable where this processor has no such engine */
  constructor(settings: WorkerSettings, pool: WorkerPool, clock: AwakeClock) {
    const ledger = new Ledger(settings.shared.ledgers, MAIN_THREAD);
    ledger.noteReactor(this.#reactor.fd);
    this.#gate = new StartGate(settings.shared.startGate, ledger.slot);
    const parts = {
      reactor: this.#reactor,
      ledger,
      limit: loweredLimitOf(settings, ledger.slot),
      stats: new StatsWriter(settings.shared.engineStats, ledger.slot),
      rights: settings.rights,
    };
    // The folder of the thread whose children they are comes with the first template.
    const context = createContext(parts, '');
    const templates = new OrderedTemplates(
      context,
      (_, shape, socket) => pool.makeTemplate({ kind: 'template', ...this.#current, shape, socket }),
      () => pool.views.every(({ tasks }) => tasks === 0),
    );
    this.#engine = new CloneEngine(context, templates, false);
    this.#actionOf = actionCache(settings.actionRoot, settings.environment, [this.#engine]);
    this.#logs = streamsOf(settings, ledger.slot, (target) => new NativeSink(target, this.#reactor));
    this.#limits = {
      ...limitsOf(settings, clock, ledger.slot),
      // What takes time by the length of a line is not for this thread.
      judgeElsewhere: (line) => pool.judge(line),
    };
    this.#nextOwner = ownerNumbers(ledger.slot);
    // Where a worker dies its children become the main thread's.
    this.#forgetPids = awaitedElsewhere((pid) => ledger.pidsOfAll().includes(pid));
  }

  /** Whether there is a template of the action. */
  isReadyFor(task: RunTask): boolean {
    return this.#engine.hasTemplateOf(this.#action(task));
  }

  /** Has a template made for runs like this one. */
  prepare(task: RunTask): void {
    const request = this.#requestOf(task);
    if (request !== undefined) this.#engine.prepare(request.start);
  }

  /** Runs an activation; undefined, at once or later, where no clone took it, and then nothing of it has happened. */
  run(task: RunTask): Promise<RunAnswer | undefined> | undefined {
    const request = this.#requestOf(task);
    // A worker sends back what another init has superseded.
    if (request === undefined || !this.#gate.isOpen || task.generation !== this.#gate.generation)
      return undefined;
    const { start, facts } = request;
    return new Promise((resolve, reject) => {
      const told = (answer: RunAnswer): void => {
        wipe(start.argument);
        resolve({ ...answer, facts: { ...answer.facts, direct: true } });
      };
      const activation = new Activation(this.#logs, this.#limits, this.#nextOwner(), facts, told, task.time);
      const begin = async (): Promise<void> => {
        const outcome = await this.#gate.starting(task.generation, () =>
          this.#engine.start(start, activation),
        );
        if (typeof outcome === 'object' && outcome.kind === 'started') {
          activation.started(outcome.process, this.#engine.name);
          return;
        }
        if (typeof outcome === 'object' && outcome.kind === 'killed') {
          refuseForWant(outcome.errno, activation);
          return;
        }
        activation.abandon();
        resolve(undefined);
      };
      begin().catch(reject);
    });
  }

  /** Ends what runs. */
  killAll(): void {
    for (const activation of [...this.#limits.underWay]) activation.endForShutdown();
  }

  /** Lets go of all that is prepared. */
  letGo(): void {
    this.#engine.letGo();
  }

  close(): void {
    this.#forgetPids();
    this.#logs.stdout.close();
    this.#logs.stderr.close();
    this.#engine.close();
    this.#reactor.close();
  }

  #action({ generation, variables }: RunTask): ReturnType<ActionOf> {
    this.#current = { generation, variables };
    return this.#actionOf(generation, variables);
  }

  /** Undefined for a request that a worker is to refuse. */
  #requestOf(task: RunTask): { start: StartRequest; facts: ReturnType<typeof factsOf> } | undefined {
    const request = readRunBody(task.body);
    if ('code' in request) return undefined;
    const variables = withTrace(request.variables, task.trace);
    const start = { action: this.#action(task), argument: request.argument, variables };
    return { start, facts: factsOf(request) };
  }
}
