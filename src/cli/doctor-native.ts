import type { EngineName, ExecEngine } from '../engines/engine.js';
import { hostArch } from '../engines/forkserver/arch/arch.js';
import { buildTemplate } from '../engines/forkserver/build/build-template.js';
import { layoutFor } from '../engines/forkserver/build/string-layout.js';
import { killAndReap } from '../engines/forkserver/build/tracee.js';
import { ForkserverEngine } from '../engines/forkserver/engine.js';
import { openSocketPair } from '../engines/forkserver/ipc/channel.js';
import { createEngineStats, StatsWriter } from '../engines/forkserver/ipc/stats.js';
import { explainUnavailability } from '../engines/forkserver/templates/explain-unavailability.js';
import { PosixSpawnEngine } from '../engines/posix-spawn.js';
import type { ActionImage } from '../os/action-image.js';
import { close } from '../os/libc.js';
import { requirePidfds } from '../os/native-process.js';
import { Reactor } from '../os/reactor.js';
import type { ResourceTable } from '../shared-memory/resource-table.js';

interface NativeCandidate {
  readonly name: EngineName;
  readonly engine?: ExecEngine;
  readonly reason?: string;
  readonly describeTemplate?: (action: ActionImage) => string;
}

/**
 * The engines that call the C library, as far as they work here.
 *
 * @throws Error where it can't be called at all
 */
export function nativeCandidates(resourceTable: ResourceTable): {
  candidates: readonly NativeCandidate[];
  close: () => void;
} {
  requirePidfds();
  const reactor = new Reactor();
  const posixSpawn: NativeCandidate = {
    name: 'posix_spawn',
    engine: new PosixSpawnEngine(reactor, resourceTable),
  };
  return {
    candidates: [forkserverCandidate(reactor, resourceTable), posixSpawn],
    close: () => reactor.close(),
  };
}

function forkserverCandidate(reactor: Reactor, resourceTable: ResourceTable): NativeCandidate {
  const name = 'forkserver';
  try {
    const stats = new StatsWriter(createEngineStats(1), 0);
    const engine = new ForkserverEngine({
      reactor,
      resourceTable,
      nofileLimit: undefined,
      stats,
      waitsForTemplate: true,
    });
    const reason = engine.selfTest();
    if (reason !== '') {
      engine.close();
      return { name, reason };
    }
    return { name, engine, describeTemplate: (action) => describeTemplate(engine, action) };
  } catch (error) {
    return { name, reason: explainUnavailability(error) };
  }
}

/** Makes a template of the action, and lets it go again: no code of the action's author is run. */
function describeTemplate(engine: ForkserverEngine, action: ActionImage): string {
  const arch = hostArch();
  const pair = openSocketPair();
  const layout = layoutFor({ action, argument: Buffer.alloc(0), variables: [['__OW_ACTIVATION_ID', '']] });
  if (arch === undefined || pair === undefined || layout === undefined) return 'no template can be made';
  const begin = performance.now();
  try {
    const { pid, freezePoint, freezePointReason } = buildTemplate(engine.launcher, arch, {
      action,
      layout,
      socket: pair[1],
    });
    const ms = (performance.now() - begin).toFixed(1);
    killAndReap(pid);
    return freezePoint === 'entry'
      ? `its template takes ${ms} ms and stands before its own code`
      : `its template takes ${ms} ms and stands at its very begin, for ${freezePointReason}`;
  } catch (error) {
    return `has no template: ${explainUnavailability(error)}`;
  } finally {
    for (const fd of pair) close(fd);
  }
}
