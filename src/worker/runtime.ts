import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { threadId, workerData } from 'node:worker_threads';
import { entryName, inheritedEntries, type Variable } from '../contract/environment.js';
import { LogStream, SHARED_FIELDS } from '../logs/log-stream.js';
import { leadToOneFile, PlainSink, type Sink } from '../logs/sink.js';
import { LoopLag, lagCells } from '../metrics/loop-lag.js';
import type { WorkerSettings } from '../pool/messages.js';
import { StartGate } from '../pool/start-gate.js';
import { AwakeClock } from '../process/awake-clock.js';
import type { ActionImage, ExecEngine } from '../process/engines/engine.js';
import { Ledger } from '../process/ledger.js';
import type { LoopChild, LoopProgram } from '../process/loop-child.js';
import { giveBack } from '../process/precedence.js';
import type { ActivationLimits, LogStreams } from './activation.js';
import { StartQueue } from './start-queue.js';

/** Slots of the memory that threads share: more worker threads than this are refused by the settings. */
const OWNER_SPACING = 64;
const LARGEST_OWNER = 0x3fff_ffff;

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
  /** A number that no other activation in flight has, in any thread. */
  nextOwner(): number;
  /** Starts a process that stays (section 5); undefined where the engine can't. */
  readonly startLoop: ((program: LoopProgram) => LoopChild | string) | undefined;
  /** The action as the init of that generation has left it. */
  actionOf(generation: number, variables: string): ActionImage;
  /** Gives back what the engines hold; nothing can be run after that. */
  close(): void;
}

/** Sets the thread up, by the settings that the pool gave it. */
export async function createRuntime(): Promise<WorkerRuntime> {
  const settings = settingsOf(workerData);
  if (settings.priority !== undefined) giveBack(settings.priority);
  const ledger = new Ledger(settings.shared.ledgers, threadId);
  const { engines, sinkFor, startLoop, fallbackReason, closeReactor } = await chooseEngines(settings, ledger);
  const shared = new Int32Array(settings.shared.logs);
  const [out, err] = settings.logs;
  const oneFile = leadToOneFile(out, err);
  const streamOf = (fd: number, index: 0 | 1): LogStream => {
    const at = oneFile ? 0 : index * SHARED_FIELDS;
    return new LogStream(sinkFor(fd), shared.subarray(at, at + SHARED_FIELDS), ledger.slot, index);
  };
  const shutdown = new Int32Array(settings.shared.shutdown);
  let serial = 0;
  return {
    settings,
    engines,
    fallbackReason,
    startLoop,
    logs: { stdout: streamOf(out, 0), stderr: streamOf(err, 1), sentinels: settings.sentinels },
    limits: {
      maxResultBytes: settings.maxResultBytes,
      drainMs: settings.drainMs,
      timeoutGraceMs: settings.timeoutGraceMs,
      killsLeftovers: settings.killsLeftovers,
      clock: new AwakeClock(),
      killedAtShutdown: () => Atomics.load(shutdown, 0) === 1,
    },
    starts: new StartQueue(),
    lag: settings.shared.lag && new LoopLag(lagCells(settings.shared.lag, ledger.slot), threadId),
    gate: new StartGate(settings.shared.startGate, ledger.slot),
    nextOwner: () => {
      serial = (serial + 1) % Math.floor(LARGEST_OWNER / OWNER_SPACING);
      return serial * OWNER_SPACING + ledger.slot + 1;
    },
    actionOf: actionCache(settings.actionRoot, engines),
    close: () => {
      for (const engine of engines) engine.close();
      closeReactor();
    },
  };
}

/** Piscina passes workerData through with its own wrapping; ours is the object that has the settings. */
function settingsOf(data: unknown): WorkerSettings {
  return data as WorkerSettings;
}

interface Choice {
  readonly engines: readonly ExecEngine[];
  readonly sinkFor: (fd: number) => Sink;
  readonly startLoop: WorkerRuntime['startLoop'];
  readonly fallbackReason: string;
  readonly closeReactor: () => void;
}

async function chooseEngines(settings: WorkerSettings, ledger: Ledger): Promise<Choice> {
  let fallbackReason = '';
  if (settings.engine !== 'child_process') {
    try {
      // Imported here only: where the library can't be loaded, nothing else of this thread needs it.
      const native = await import('./native-runtime.js');
      return { ...(await native.createNativeEngines(settings, ledger)), fallbackReason };
    } catch (error) {
      if (settings.engine !== 'auto') throw error;
      fallbackReason = error instanceof Error ? error.message : String(error);
    }
  }
  const { ChildProcessEngine } = await import('../process/engines/child-process.js');
  return {
    engines: [new ChildProcessEngine(ledger)],
    sinkFor: (fd) => new PlainSink(fd),
    startLoop: undefined,
    fallbackReason,
    closeReactor: () => {},
  };
}

function actionCache(
  actionRoot: string,
  engines: readonly ExecEngine[],
): (generation: number, variables: string) => ActionImage {
  const inherited = inheritedEntries(readFileSync('/proc/self/environ'));
  let cached: { generation: number; image: ActionImage } | undefined;
  return (generation, variables) => {
    if (cached?.generation !== generation) {
      const image = imageOf(actionRoot, inherited, variables);
      for (const engine of engines) engine.actionChanged(image);
      cached = { generation, image };
    }
    return cached.image;
  };
}

/** Precedence: the server's environment, then the init's (C-INIT-18); PWD is the action folder (C-RUN-13). */
function imageOf(actionRoot: string, inherited: readonly Buffer[], variables: string): ActionImage {
  const entries = new Map(inherited.map((entry) => [entryName(entry), entry]));
  entries.set('PWD', Buffer.from(`PWD=${actionRoot}`));
  const fromInit = variables === '' ? [] : (JSON.parse(variables) as Variable[]);
  for (const [name, value] of fromInit) entries.set(name, Buffer.from(`${name}=${value}`));
  return { exec: join(actionRoot, 'exec'), folder: actionRoot, environment: [...entries.values()] };
}
