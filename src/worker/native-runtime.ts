import { NativeSink } from '../logs/native-sink.js';
import type { Sink } from '../logs/sink.js';
import type { WorkerSettings } from '../pool/messages.js';
import type { ExecEngine } from '../process/engines/engine.js';
import { PosixSpawnEngine } from '../process/engines/posix-spawn.js';
import type { Ledger } from '../process/ledger.js';
import { close, pidfdOpen } from '../process/libc.js';
import { Reactor } from '../process/reactor.js';

/**
 * The engines that call the C library, and the log sinks that go with them.
 *
 * @throws Error naming what this system lacks
 */
export function createNativeEngines(
  settings: WorkerSettings,
  ledger: Ledger,
): { engines: readonly ExecEngine[]; sinkFor: (fd: number) => Sink } {
  const pidfd = pidfdOpen(process.pid);
  if (pidfd < 0)
    throw new Error('pidfd_open(2) is not available: it needs Linux 5.3 and a profile that allows it');
  close(pidfd);
  const reactor = new Reactor();
  ledger.noteReactor(reactor.fd);
  const engines = [new PosixSpawnEngine(reactor, ledger, settings.openFiles)];
  return { engines, sinkFor: (fd) => new NativeSink(fd, reactor) };
}
