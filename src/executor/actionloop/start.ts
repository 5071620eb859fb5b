import type { FreezeAwareClock } from '../../os/freeze-aware-clock.js';
import { judgeAcknowledgedStart, MIN_UPTIME_MS } from '../../protocol/actionloop/acknowledgement.js';
import { MESSAGE_EXITED } from '../../protocol/texts.js';
import type { ActionLoopLauncher } from './channel.js';
import type { ActionLoopProcess } from './process.js';

/** What makes a start successful. */
export interface StartLimits {
  /** Whether the process acknowledges its start on descriptor 3 (C-AL-10). */
  readonly waitForAcknowledgement: boolean;
  readonly initTimeoutMs: number;
  readonly clock: FreezeAwareClock;
}

/** What is left of the time of an init for one start. */
interface StartTime {
  readonly initLeftMs: number;
}

/**
 * Starts a member's process and waits until it may be given work.
 *
 * @returns undefined once it may; else why not, and the process has been told to end (C-AL-09, C-AL-10)
 */
export async function startActionLoopProcess(
  process: ActionLoopProcess,
  launch: ActionLoopLauncher,
  limits: StartLimits & StartTime,
): Promise<string | undefined> {
  const acknowledged = new Promise<Buffer>((resolve) => {
    if (limits.waitForAcknowledgement) process.onFirstLine(resolve);
  });
  const channel = await launch(process.image, process.answered);
  if ('errno' in channel) return MESSAGE_EXITED;
  process.attach(channel);
  const problem = limits.waitForAcknowledgement
    ? await awaitAcknowledgement(acknowledged, process, limits)
    : await awaitMinUptime(process, limits);
  if (problem !== undefined) process.terminate();
  // It may have written something beyond its acknowledgement.
  return problem ?? (process.failed ? MESSAGE_EXITED : undefined);
}

async function awaitAcknowledgement(
  acknowledged: Promise<Buffer>,
  process: ActionLoopProcess,
  { initTimeoutMs, initLeftMs, clock }: StartLimits & StartTime,
): Promise<string | undefined> {
  const exited = process.exited.then(() => 'exited' as const);
  const outcome = await clock.withTimeout(initLeftMs, Promise.race([acknowledged, exited]));
  const acknowledgement = judgeAcknowledgedStart(outcome, initTimeoutMs);
  if (typeof acknowledgement === 'string') return acknowledgement;
  if (acknowledgement.numbered) process.enableNumbering();
  return undefined;
}

async function awaitMinUptime(
  process: ActionLoopProcess,
  { clock }: StartLimits,
): Promise<string | undefined> {
  return (await clock.withTimeout(MIN_UPTIME_MS, process.exited)) === 'late' ? undefined : MESSAGE_EXITED;
}
