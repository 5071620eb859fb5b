import { NativeSink } from '../logs/native-sink.js';
import type { Sink } from '../logs/sink.js';
import type { WorkerSettings } from '../pool/messages.js';
import type { ExecEngine } from '../process/engines/engine.js';
import { ForkserverEngine } from '../process/engines/forkserver/engine.js';
import { explain } from '../process/engines/forkserver/explain.js';
import { StatsWriter } from '../process/engines/forkserver/stats.js';
import { PosixSpawnEngine } from '../process/engines/posix-spawn.js';
import type { Ledger } from '../process/ledger.js';
import { killGroup } from '../process/leftovers.js';
import { close, pidfdOpen, prlimit } from '../process/libc.js';
import { LoopChild, type LoopProgram } from '../process/loop-child.js';
import { LoweredLimit } from '../process/open-files.js';
import { Reactor } from '../process/reactor.js';
import { Spawner } from '../process/spawner.js';

/**
 * The engines that call the C library, and the log sinks that go with them.
 *
 * @throws Error naming what this system lacks
 */
export function createNativeEngines(
  settings: WorkerSettings,
  ledger: Ledger,
): {
  engines: readonly ExecEngine[];
  sinkFor: (fd: number) => Sink;
  startLoop: (program: LoopProgram) => LoopChild | string;
  /** Why a better engine is not among them; empty where the best is. */
  fallbackReason: string;
  /** Ends the watching of descriptors; to be called after the engines were closed. */
  closeReactor: () => void;
} {
  const pidfd = pidfdOpen(process.pid);
  if (pidfd < 0)
    throw new Error('pidfd_open(2) is not available: it needs Linux 5.3 and a profile that allows it');
  close(pidfd);
  const reactor = new Reactor();
  ledger.noteReactor(reactor.fd);
  const limit = limitOf(settings, ledger.slot);
  const posixSpawn = new PosixSpawnEngine(reactor, ledger, limit);
  const sinkFor = (fd: number): Sink => new NativeSink(fd, reactor);
  const closeReactor = (): void => reactor.close();
  const beforeReaping = (pid: number): void => {
    if (settings.killsLeftovers) killGroup(pid);
  };
  const startLoop = (program: LoopProgram): LoopChild | string =>
    LoopChild.start(program, new Spawner(limit), reactor, ledger, beforeReaping);
  const all = { sinkFor, startLoop, closeReactor, fallbackReason: '' };
  if (settings.engine === 'posix_spawn') return { ...all, engines: [posixSpawn] };
  try {
    const forkserver = createForkserver(settings, reactor, ledger, limit);
    return { ...all, engines: [forkserver, posixSpawn] };
  } catch (error) {
    const fallbackReason = `forkserver: ${explain(error)}`;
    if (settings.engine === 'forkserver') {
      // A handle that is left open when the thread ends crashes the process.
      reactor.close();
      throw new Error(fallbackReason, { cause: error });
    }
    return { ...all, engines: [posixSpawn], fallbackReason };
  }
}

/** @throws Error with the precise reason where it can't be had */
function createForkserver(
  { engine, shared }: WorkerSettings,
  reactor: Reactor,
  ledger: Ledger,
  limit: LoweredLimit | undefined,
): ForkserverEngine {
  const stats = new StatsWriter(shared.engineStats, ledger.slot);
  const forkserver = new ForkserverEngine({
    reactor,
    ledger,
    limit,
    stats,
    // Who asks for it by name gets it at once; otherwise nobody waits for a template.
    waitsForTemplate: engine === 'forkserver',
  });
  if (engine === 'forkserver') {
    const reason = forkserver.examine();
    if (reason !== '') throw new Error(reason);
  }
  return forkserver;
}

const RLIMIT_NOFILE = 7;
const THIS_PROCESS = 0;

function limitOf({ openFiles, shared }: WorkerSettings, slot: number): LoweredLimit | undefined {
  if (openFiles === undefined) return undefined;
  return new LoweredLimit(shared.openFiles, slot, openFiles, (limit) => {
    prlimit(THIS_PROCESS, RLIMIT_NOFILE, limit, null);
  });
}
