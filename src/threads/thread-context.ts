import { join } from 'node:path';
import { diagnoseMissingResult } from '../action/diagnose-result.js';
import type { ActivationLimits } from '../activation/activation.js';
import type { LogStreams } from '../activation/activation-log.js';
import { LOG_TABLE, LogStream } from '../logging/action-log/log-stream.js';
import { leadToOneFile, type Sink, type SinkTarget } from '../logging/action-log/sink.js';
import type { FreezeAwareClock } from '../os/freeze-aware-clock.js';
import { OomKillDetector } from '../os/oom-kills.js';
import { ByteBudget } from '../shared-memory/byte-budget.js';
import { LogLossCounter } from '../shared-memory/log-losses.js';
import type { WorkerSettings } from './messages.js';

/** More than the slots of the memory that threads share; the settings refuse more threads. */
const OWNER_SPACING = 128;
const MAX_OWNER = 0x3fff_ffff;

/**
 * The server's stdout and stderr as a thread writes to them.
 *
 * @param slot the thread's number in the memory that threads share
 */
export function openLogStreams(
  settings: WorkerSettings,
  slot: number,
  sinkFor: (target: SinkTarget) => Sink,
): LogStreams {
  const [out, err] = settings.logs;
  const oneFile = leadToOneFile(out, err);
  const streamOf = (index: 0 | 1): LogStream => {
    const shared = LOG_TABLE.slot(settings.shared.logs, oneFile ? 0 : index);
    const losses = new LogLossCounter(settings.shared.losses, index);
    const sink = sinkFor(settings.sinks[index]);
    return new LogStream(sink, shared, slot, index, losses);
  };
  return { stdout: streamOf(0), stderr: streamOf(1), sentinels: settings.sentinels };
}

/**
 * What every activation of a thread is held to.
 *
 * @param slot the thread's number in the memory that threads share
 */
export function activationLimitsOf(
  settings: WorkerSettings,
  clock: FreezeAwareClock,
  slot: number,
): ActivationLimits {
  const shutdown = new Int32Array(settings.shared.shutdown);
  return {
    config: settings,
    clock,
    budget: new ByteBudget(settings.shared.budget, slot),
    inFlight: new Set(),
    killedAtShutdown: () => Atomics.load(shutdown, 0) === 1,
    oomKills: new OomKillDetector(),
    diagnoseMissingResult: (seen) => diagnoseMissingResult(join(settings.actionRoot, 'exec'), seen),
  };
}

/** Numbers that no other activation in flight has, in any thread. */
export function ownerNumbers(slot: number): () => number {
  let serial = 0;
  return () => {
    serial = (serial + 1) % Math.floor(MAX_OWNER / OWNER_SPACING);
    return serial * OWNER_SPACING + slot + 1;
  };
}
