import type { ActionImage, EngineName, ExecEngine } from '../process/engines/engine.js';
import { hostArch } from '../process/engines/forkserver/arch/arch.js';
import { openSocketPair } from '../process/engines/forkserver/channel.js';
import { ForkserverEngine } from '../process/engines/forkserver/engine.js';
import { explain } from '../process/engines/forkserver/explain.js';
import { buildTemplate } from '../process/engines/forkserver/set-up/build.js';
import { endProcess } from '../process/engines/forkserver/set-up/tracee.js';
import { shapeFor } from '../process/engines/forkserver/shape.js';
import { createEngineStats, StatsWriter } from '../process/engines/forkserver/stats.js';
import { PosixSpawnEngine } from '../process/engines/posix-spawn.js';
import type { Ledger } from '../process/ledger.js';
import { close, pidfdOpen } from '../process/libc.js';
import { Reactor } from '../process/reactor.js';

interface NativeCandidate {
  readonly name: EngineName;
  readonly engine?: ExecEngine;
  readonly reason?: string;
  readonly template?: (action: ActionImage) => string;
}

/**
 * The engines that call the C library, as far as they work here.
 *
 * @throws Error where it can't be called at all
 */
export function nativeCandidates(ledger: Ledger): {
  candidates: readonly NativeCandidate[];
  close: () => void;
} {
  const pidfd = pidfdOpen(process.pid);
  if (pidfd < 0)
    throw new Error('pidfd_open(2) is not available: it needs Linux 5.3 and a profile that allows it');
  close(pidfd);
  const reactor = new Reactor();
  const posixSpawn: NativeCandidate = { name: 'posix_spawn', engine: new PosixSpawnEngine(reactor, ledger) };
  return {
    candidates: [forkserverCandidate(reactor, ledger), posixSpawn],
    close: () => reactor.close(),
  };
}

function forkserverCandidate(reactor: Reactor, ledger: Ledger): NativeCandidate {
  const name = 'forkserver';
  try {
    const stats = new StatsWriter(createEngineStats(1), 0);
    const engine = new ForkserverEngine({ reactor, ledger, limit: undefined, stats, waitsForTemplate: true });
    const reason = engine.examine();
    if (reason !== '') {
      engine.close();
      return { name, reason };
    }
    return { name, engine, template: (action) => templateText(engine, action) };
  } catch (error) {
    return { name, reason: explain(error) };
  }
}

/** Makes a template of the action, and lets it go again: no code of the action's author is run. */
function templateText(engine: ForkserverEngine, action: ActionImage): string {
  const arch = hostArch();
  const pair = openSocketPair();
  const shape = shapeFor({ action, argument: Buffer.alloc(0), variables: [['__OW_ACTIVATION_ID', '']] });
  if (arch === undefined || pair === undefined || shape === undefined) return 'no template can be made';
  const begin = performance.now();
  try {
    const { pid, freezePoint, notLater } = buildTemplate(engine.launcher, arch, {
      action,
      shape,
      socket: pair[1],
    });
    const ms = (performance.now() - begin).toFixed(1);
    endProcess(pid);
    return freezePoint === 'entry'
      ? `its template takes ${ms} ms and stands before its own code`
      : `its template takes ${ms} ms and stands at its very begin, for ${notLater}`;
  } catch (error) {
    return `has no template: ${explain(error)}`;
  } finally {
    for (const fd of pair) close(fd);
  }
}
