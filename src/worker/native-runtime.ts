import { NativeSink } from '../logs/native-sink.js';
import type { Sink } from '../logs/sink.js';
import type { WorkerSettings } from '../pool/messages.js';
import type { ExecEngine } from '../process/engines/engine.js';
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
} {
  const pidfd = pidfdOpen(process.pid);
  if (pidfd < 0)
    throw new Error('pidfd_open(2) is not available: it needs Linux 5.3 and a profile that allows it');
  close(pidfd);
  const reactor = new Reactor();
  ledger.noteReactor(reactor.fd);
  const limit = limitOf(settings, ledger.slot);
  const beforeReaping = (pid: number): void => {
    if (settings.killsLeftovers) killGroup(pid);
  };
  return {
    engines: [new PosixSpawnEngine(reactor, ledger, limit)],
    sinkFor: (fd) => new NativeSink(fd, reactor),
    startLoop: (program) => LoopChild.start(program, new Spawner(limit), reactor, ledger, beforeReaping),
  };
}

const RLIMIT_NOFILE = 7;
const THIS_PROCESS = 0;

function limitOf({ openFiles, shared }: WorkerSettings, slot: number): LoweredLimit | undefined {
  if (openFiles === undefined) return undefined;
  return new LoweredLimit(shared.openFiles, slot, openFiles, (limit) => {
    prlimit(THIS_PROCESS, RLIMIT_NOFILE, limit, null);
  });
}
