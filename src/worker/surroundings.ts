import { join } from 'node:path';
import { explainFailure } from '../action/explain-failure.js';
import { LogStream, SHARED_FIELDS } from '../logs/log-stream.js';
import { LossCounter } from '../logs/losses.js';
import { leadToOneFile, type Sink, type SinkTarget } from '../logs/sink.js';
import { ByteBudget } from '../pool/byte-budget.js';
import type { WorkerSettings } from '../pool/messages.js';
import type { AwakeClock } from '../process/awake-clock.js';
import type { ActivationLimits } from './activation.js';
import type { LogStreams } from './activation-log.js';

/** More than the slots of the memory that threads share; the settings refuse more threads. */
const OWNER_SPACING = 128;
const LARGEST_OWNER = 0x3fff_ffff;

/**
 * The server's stdout and stderr as a thread writes to them.
 *
 * @param slot the thread's number in the memory that threads share
 */
export function streamsOf(
  settings: WorkerSettings,
  slot: number,
  sinkFor: (target: SinkTarget) => Sink,
): LogStreams {
  const shared = new Int32Array(settings.shared.logs);
  const [out, err] = settings.logs;
  const oneFile = leadToOneFile(out, err);
  const streamOf = (index: 0 | 1): LogStream => {
    const at = oneFile ? 0 : index * SHARED_FIELDS;
    const losses = new LossCounter(settings.shared.losses, index);
    const sink = sinkFor(settings.sinks[index]);
    return new LogStream(sink, shared.subarray(at, at + SHARED_FIELDS), slot, index, losses);
  };
  return { stdout: streamOf(0), stderr: streamOf(1), sentinels: settings.sentinels };
}

/**
 * What every activation of a thread is held to.
 *
 * @param slot the thread's number in the memory that threads share
 */
export function limitsOf(settings: WorkerSettings, clock: AwakeClock, slot: number): ActivationLimits {
  const shutdown = new Int32Array(settings.shared.shutdown);
  return {
    maxResultBytes: settings.maxResultBytes,
    drainMs: settings.drainMs,
    timeoutGraceMs: settings.timeoutGraceMs,
    killsLeftovers: settings.killsLeftovers,
    clock,
    budget: new ByteBudget(settings.shared.budget, slot),
    underWay: new Set(),
    killedAtShutdown: () => Atomics.load(shutdown, 0) === 1,
    explainFailure: (line, status) => explainFailure(join(settings.actionRoot, 'exec'), line, status),
  };
}

/** Numbers that no other activation in flight has, in any thread. */
export function ownerNumbers(slot: number): () => number {
  let serial = 0;
  return () => {
    serial = (serial + 1) % Math.floor(LARGEST_OWNER / OWNER_SPACING);
    return serial * OWNER_SPACING + slot + 1;
  };
}
