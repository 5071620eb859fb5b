import { createActionCache, type GetActionImage } from '../activation/action-cache.js';
import { Activation, type ActivationLimits } from '../activation/activation.js';
import type { LogStreams } from '../activation/activation-log.js';
import { requestInfoOf, withTrace } from '../activation/request-parts.js';
import type { StartRequest } from '../engines/engine.js';
import { CloneEngine } from '../engines/forkserver/clone-engine.js';
import { createContext } from '../engines/forkserver/ipc/context.js';
import { StatsWriter } from '../engines/forkserver/ipc/stats.js';
import { RemoteTemplateManager } from '../engines/forkserver/templates/remote-manager.js';
import { NativeSink } from '../logging/action-log/native-sink.js';
import type { FreezeAwareClock } from '../os/freeze-aware-clock.js';
import { excludeFromReaping } from '../os/orphan-reaper.js';
import { Reactor } from '../os/reactor.js';
import type { RunAnswer } from '../protocol/answer.js';
import { parseRunBody, readRunBody } from '../protocol/run-body.js';
import { wipe } from '../protocol/wipe.js';
import { ResourceTable } from '../shared-memory/resource-table.js';
import { SpawnLock } from '../shared-memory/spawn-lock.js';
import type { RunTask, WorkerSettings } from '../threads/messages.js';
import { nofileLimitFor } from '../threads/nofile-limit.js';
import { activationLimitsOf, openLogStreams, ownerNumbers } from '../threads/thread-context.js';
import type { WorkerPool } from '../threads/worker-pool.js';

const MAIN_THREAD = 0;

/** The main thread's side of the fork server: clones of templates that a worker builds. */
export class MainThreadClones {
  readonly #reactor = new Reactor();
  readonly #spawnLock: SpawnLock;
  readonly #engine: CloneEngine;
  readonly #getActionImage: GetActionImage;
  readonly #logs: LogStreams;
  readonly #limits: ActivationLimits;
  readonly #nextOwner: () => number;
  readonly #forgetPids: () => void;
  /** What {@link GetActionImage} was last asked for. */
  #current = { generation: 0, variables: '' };

  /** @throws UnsupportedError where this processor has no such engine */
  constructor(settings: WorkerSettings, pool: WorkerPool, clock: FreezeAwareClock) {
    const resourceTable = new ResourceTable(settings.shared.resourceTable, MAIN_THREAD);
    resourceTable.recordReactor(this.#reactor.fd);
    this.#spawnLock = new SpawnLock(settings.shared.spawnLock, resourceTable.slot);
    const parts = {
      reactor: this.#reactor,
      resourceTable,
      nofileLimit: nofileLimitFor(settings, resourceTable.slot),
      stats: new StatsWriter(settings.shared.engineStats, resourceTable.slot),
      rights: settings.rights,
    };
    // The folder of the thread whose children they are comes with the first template.
    const context = createContext(parts, '');
    const templates = new RemoteTemplateManager(
      context,
      (_, layout, socket) => pool.buildTemplate({ kind: 'template', ...this.#current, layout, socket }),
      () => pool.threadStatuses.every(({ tasks }) => tasks === 0),
    );
    this.#engine = new CloneEngine(context, templates, false);
    this.#getActionImage = createActionCache(settings.actionRoot, settings.environment, [this.#engine]);
    this.#logs = openLogStreams(
      settings,
      resourceTable.slot,
      (target) => new NativeSink(target, this.#reactor),
    );
    this.#limits = {
      ...activationLimitsOf(settings, clock, resourceTable.slot),
      // What takes time by the length of a line is not for this thread.
      judgeInWorker: (line) => pool.judgeResult(line),
    };
    this.#nextOwner = ownerNumbers(resourceTable.slot);
    // Where a worker dies its children become the main thread's.
    this.#forgetPids = excludeFromReaping((pid) => resourceTable.pidsOfAll().includes(pid));
  }

  /** The task with its body parsed, for this thread and the worker that may run it after all. */
  parse(task: RunTask): RunTask {
    return task.parsed === undefined ? { ...task, parsed: parseRunBody(task.body) } : task;
  }

  /** Whether there is a template of the action. */
  hasTemplateFor(task: RunTask): boolean {
    return this.#engine.hasTemplateOf(this.#action(task));
  }

  /** Has a template made for runs like this one. */
  prepare(task: RunTask): void {
    const request = this.#startRequestOf(task);
    if (request !== undefined) this.#engine.prepare(request.start);
  }

  /**
   * Runs an activation. Returns or resolves to undefined if no clone accepted it; the run then had no side effects and
   * may be tried elsewhere.
   */
  tryRun(task: RunTask): Promise<RunAnswer | undefined> | undefined {
    const request = this.#startRequestOf(task);
    // A worker sends back what another init has superseded.
    if (
      request === undefined ||
      !this.#spawnLock.isUnlocked ||
      task.generation !== this.#spawnLock.generation
    )
      return undefined;
    const { start, facts } = request;
    return new Promise((resolve, reject) => {
      const reported = (answer: RunAnswer): void => {
        wipe(start.argument);
        resolve({ ...answer, stats: { ...answer.stats, direct: true } });
      };
      const activation = new Activation(
        this.#logs,
        this.#limits,
        this.#nextOwner(),
        facts,
        reported,
        task.time,
      );
      const begin = async (): Promise<void> => {
        const outcome = await this.#spawnLock.withRead(task.generation, () =>
          this.#engine.start(start, activation),
        );
        if (typeof outcome === 'object' && outcome.kind === 'started') {
          activation.started(outcome.process, this.#engine.name);
          return;
        }
        if (typeof outcome === 'object' && outcome.kind === 'killed') {
          activation.refuseForLackOfResources(outcome.errno);
          return;
        }
        activation.cancel();
        resolve(undefined);
      };
      begin().catch(reject);
    });
  }

  /** Ends what runs. */
  killAll(): void {
    for (const activation of [...this.#limits.inFlight]) activation.endForShutdown();
  }

  /** Discards all templates and prewarmed clones. */
  discard(): void {
    this.#engine.discardAll();
  }

  close(): void {
    this.#forgetPids();
    this.#logs.stdout.close();
    this.#logs.stderr.close();
    this.#engine.close();
    this.#reactor.close();
  }

  #action({ generation, variables }: RunTask): ReturnType<GetActionImage> {
    this.#current = { generation, variables };
    return this.#getActionImage(generation, variables);
  }

  /** Undefined for a request that a worker is to refuse. */
  #startRequestOf(
    task: RunTask,
  ): { start: StartRequest; facts: ReturnType<typeof requestInfoOf> } | undefined {
    const request = readRunBody(task.body, task.parsed);
    if ('code' in request) return undefined;
    const variables = withTrace(request.variables, task.trace);
    const start = { action: this.#action(task), argument: request.argument, variables };
    return { start, facts: requestInfoOf(request) };
  }
}
