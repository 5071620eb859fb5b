import { NativeSink } from '../logs/native-sink.js';
import type { Sink, SinkTarget } from '../logs/sink.js';
import type { WorkerSettings } from '../pool/messages.js';
import type { FileScope } from '../process/acting-as.js';
import type { ExecEngine } from '../process/engines/engine.js';
import type { ForkserverEngine, ForkserverOptions } from '../process/engines/forkserver/engine.js';
import type { Built, Plan } from '../process/engines/forkserver/set-up/build.js';
import { StatsWriter } from '../process/engines/forkserver/stats.js';
import { PosixSpawnEngine } from '../process/engines/posix-spawn.js';
import type { Ledger } from '../process/ledger.js';
import { killGroup } from '../process/leftovers.js';
import { close, pidfdOpen } from '../process/libc.js';
import { LoopChild, type LoopProgram } from '../process/loop-child.js';
import { Reactor } from '../process/reactor.js';
import type { Confinement } from '../process/rights.js';
import { Spawner } from '../process/spawner.js';
import { DeferredForkserver } from './deferred-forkserver.js';
import { loweredLimitOf } from './lowered-limit.js';

/** What a thread starts actions with, and works on their files with, where their rights are not the server's. */
export interface Confined {
  readonly confinement: Confinement | undefined;
  readonly scope: FileScope;
}

/** What a thread has where the C library can be called. */
export interface NativeEngines {
  readonly engines: readonly ExecEngine[];
  readonly sinkFor: (target: SinkTarget) => Sink;
  /** Starts a process that stays (section 5). */
  readonly startLoop: (program: LoopProgram) => LoopChild | string;
  /** Makes a template for the main thread; undefined where the engine has none. @throws Error where it can't */
  readonly buildTemplate: ((plan: Plan) => Built) | undefined;
  /** Ends the watching of descriptors; to be called after the engines were closed. */
  readonly closeReactor: () => void;
}

/**
 * The engines that call the C library, and the log sinks that go with them.
 *
 * @throws Error naming what this system lacks
 */
export async function createNativeEngines(
  settings: WorkerSettings,
  ledger: Ledger,
  { confinement, scope }: Confined,
): Promise<NativeEngines> {
  const pidfd = pidfdOpen(process.pid);
  if (pidfd < 0)
    throw new Error('pidfd_open(2) is not available: it needs Linux 5.3 and a profile that allows it');
  close(pidfd);
  const reactor = new Reactor();
  ledger.noteReactor(reactor.fd);
  const limit = loweredLimitOf(settings, ledger.slot);
  const beforeReaping = (pid: number): void => {
    if (settings.killsLeftovers) killGroup(pid);
  };
  const engines: ExecEngine[] = [new PosixSpawnEngine(reactor, ledger, limit, confinement)];
  const { engine, shared } = settings;
  const stats = new StatsWriter(shared.engineStats, ledger.slot);
  const options = { reactor, ledger, limit, stats, rights: confinement?.rights, scope };
  let forkserver: ForkserverEngine | DeferredForkserver | undefined;
  try {
    // Who asks for it by name gets it at once; otherwise nobody waits for a template.
    if (engine === 'forkserver') forkserver = await createForkserver({ ...options, waitsForTemplate: true });
    if (engine === 'auto') forkserver = new DeferredForkserver({ ...options, waitsForTemplate: false });
    if (forkserver !== undefined) engines.unshift(forkserver);
  } catch (error) {
    // A handle that is left open when the thread ends crashes the process.
    reactor.close();
    throw error;
  }
  return {
    engines,
    sinkFor: (target) => new NativeSink(target, reactor),
    startLoop: (program) =>
      LoopChild.start(program, new Spawner(limit, confinement), reactor, ledger, beforeReaping),
    buildTemplate: forkserver && ((plan) => forkserver.build(plan)),
    closeReactor: () => reactor.close(),
  };
}

/** @throws Error with the precise reason where it can't be had */
async function createForkserver(options: ForkserverOptions): Promise<ForkserverEngine> {
  const { ForkserverEngine } = await import('../process/engines/forkserver/engine.js');
  const engine = new ForkserverEngine(options);
  engine.examine();
  // A test that could not be finished is made again before the first template.
  const reason = options.stats.selfTest?.reason ?? '';
  if (reason !== '') throw new Error(`forkserver: ${reason}`);
  return engine;
}
