import { threadId, workerData } from 'node:worker_threads';
import { plainSinks, type Sink, type SinkTarget } from '../logs/sink.js';
import { LoopLag, lagCells } from '../metrics/loop-lag.js';
import type { WorkerSettings } from '../pool/messages.js';
import { StartGate } from '../pool/start-gate.js';
import { type FileScope, fileScopeOf } from '../process/acting-as.js';
import { AwakeClock } from '../process/awake-clock.js';
import type { ExecEngine } from '../process/engines/engine.js';
import type { Built, Plan } from '../process/engines/forkserver/set-up/build.js';
import { denyInspection } from '../process/inspection.js';
import { Ledger } from '../process/ledger.js';
import type { LoopChild, LoopProgram } from '../process/loop-child.js';
import { giveBack } from '../process/precedence.js';
import type { Confinement } from '../process/rights.js';
import { type ActionOf, actionCache } from './action-cache.js';
import type { ActivationLimits } from './activation.js';
import type { LogStreams } from './activation-log.js';
import type { Confined } from './native-runtime.js';
import { StartQueue } from './start-queue.js';
import { limitsOf, ownerNumbers, streamsOf } from './surroundings.js';

/** What one worker thread has at hand for its tasks. */
export interface WorkerRuntime {
  readonly settings: WorkerSettings;
  readonly logs: LogStreams;
  readonly limits: ActivationLimits;
  readonly gate: StartGate;
  readonly starts: StartQueue;
  /** Tells how late this thread's event loop is; undefined where nobody asks. */
  readonly lag: LoopLag | undefined;
  /** In order of preference; the next is asked where one refuses. */
  readonly engines: readonly ExecEngine[];
  /** Why a better engine is not in use; empty where the best is. */
  readonly fallbackReason: string;
  /** Why other processes of the same user may read the server's memory; empty where they may not. */
  readonly inspectable: string;
  /** What takes rights away from the processes of actions; undefined: nothing does. */
  readonly confinement: Confinement | undefined;
  /** Works on the files of the action. */
  readonly scope: FileScope;
  /** A number that no other activation in flight has, in any thread. */
  nextOwner(): number;
  /** Starts a process that stays (section 5); undefined where the engine can't. */
  readonly startLoop: ((program: LoopProgram) => LoopChild | string) | undefined;
  /** Makes a template for the main thread; undefined where the engine has none. */
  readonly buildTemplate: ((plan: Plan) => Built) | undefined;
  /** The action as the init of that generation has left it. */
  readonly actionOf: ActionOf;
  /** Gives back what the engines hold; nothing can be run after that. */
  close(): void;
}

/** Sets the thread up, by the settings that the pool gave it. */
export async function createRuntime(): Promise<WorkerRuntime> {
  const settings = settingsOf(workerData);
  if (settings.priority !== undefined) giveBack(settings.priority);
  const inspectable = await denyInspection();
  await ignoreOtherSignals();
  const ledger = new Ledger(settings.shared.ledgers, threadId);
  const { rights } = settings;
  const confined = {
    // Imported only where they differ from the server's own.
    confinement: rights && (await (await import('../process/helper.js')).confinementOf(rights)),
    scope: await fileScopeOf(rights?.user),
  };
  const choice = await chooseEngines(settings, ledger, confined);
  const { engines, sinkFor, startLoop, buildTemplate, fallbackReason, closeReactor } = choice;
  const logs = streamsOf(settings, ledger.slot, sinkFor);
  return {
    settings,
    engines,
    fallbackReason,
    inspectable,
    ...confined,
    startLoop,
    buildTemplate,
    logs,
    limits: limitsOf(settings, new AwakeClock(), ledger.slot),
    starts: new StartQueue(),
    lag: settings.shared.lag && new LoopLag(lagCells(settings.shared.lag, ledger.slot), threadId),
    gate: new StartGate(settings.shared.startGate, ledger.slot),
    nextOwner: ownerNumbers(ledger.slot),
    actionOf: actionCache(settings.actionRoot, settings.environment, engines),
    close: () => {
      logs.stdout.close();
      logs.stderr.close();
      for (const engine of engines) engine.close();
      closeReactor();
    },
  };
}

/** Of the whole process, before any action runs. Without the C library's calls those signals keep their defaults. */
async function ignoreOtherSignals(): Promise<void> {
  try {
    (await import('../signals/native-signals.js')).ignoreOtherSignals();
  } catch {
    // The engine says why the library can't be loaded.
  }
}

/** Piscina passes workerData through with its own wrapping; ours is the object that has the settings. */
function settingsOf(data: unknown): WorkerSettings {
  return data as WorkerSettings;
}

interface Choice {
  readonly engines: readonly ExecEngine[];
  readonly sinkFor: (target: SinkTarget) => Sink;
  readonly startLoop: WorkerRuntime['startLoop'];
  readonly buildTemplate: WorkerRuntime['buildTemplate'];
  readonly fallbackReason: string;
  readonly closeReactor: () => void;
}

async function chooseEngines(settings: WorkerSettings, ledger: Ledger, confined: Confined): Promise<Choice> {
  let fallbackReason = '';
  if (settings.engine !== 'child_process') {
    try {
      // Imported here only: where the library can't be loaded, nothing else of this thread needs it.
      const native = await import('./native-runtime.js');
      return { ...(await native.createNativeEngines(settings, ledger, confined)), fallbackReason };
    } catch (error) {
      if (settings.engine !== 'auto') throw error;
      fallbackReason = error instanceof Error ? error.message : String(error);
    }
  }
  const { ChildProcessEngine } = await import('../process/engines/child-process.js');
  return {
    engines: [new ChildProcessEngine(ledger, confined.confinement)],
    sinkFor: await plainSinks(settings.sinks),
    startLoop: undefined,
    buildTemplate: undefined,
    fallbackReason,
    closeReactor: () => {},
  };
}
