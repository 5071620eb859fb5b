import { MESSAGE_EXITED } from '../contract/messages.js';
import type { AwakeClock } from '../process/awake-clock.js';
import { EXITED_ABRUPTLY, readAcknowledgement } from './acknowledgement.js';
import type { LoopLauncher } from './channel.js';
import type { LoopMember } from './member.js';

/** What makes a start successful. */
export interface StartLimits {
  /** Whether the process acknowledges its start on descriptor 3 (C-AL-10, D-09). */
  readonly waitForAcknowledgement: boolean;
  readonly initTimeoutMs: number;
  readonly clock: AwakeClock;
}

/** What is left of the time of an init for one start. */
export interface StartTime {
  readonly initLeftMs: number;
}

/** Without an acknowledgement a process must live that long (C-AL-09). */
const PROVING_MS = 5;

/**
 * Starts a member's process and waits until it may be given work.
 *
 * @returns undefined once it may; else why not, and the process has been told to end (C-AL-09, C-AL-10)
 */
export async function startMember(
  member: LoopMember,
  launch: LoopLauncher,
  limits: StartLimits & StartTime,
): Promise<string | undefined> {
  const acknowledged = new Promise<Buffer>((resolve) => {
    if (limits.waitForAcknowledgement) member.onFirstLine(resolve);
  });
  const channel = await launch(member.image, member.answered);
  if ('errno' in channel) return MESSAGE_EXITED;
  member.attach(channel);
  const problem = limits.waitForAcknowledgement
    ? await problemOfStart(acknowledged, member, limits)
    : await problemOfLife(member, limits);
  if (problem !== undefined) member.condemn();
  // It may have written something beyond its acknowledgement.
  return problem ?? (member.failed ? MESSAGE_EXITED : undefined);
}

async function problemOfStart(
  acknowledged: Promise<Buffer>,
  member: LoopMember,
  { initTimeoutMs, initLeftMs, clock }: StartLimits & StartTime,
): Promise<string | undefined> {
  const exited = member.gone.then(() => 'exited' as const);
  const outcome = await within(clock, initLeftMs, Promise.race([acknowledged, exited]));
  if (outcome === 'late') return `there was no acknowledgement within ${initTimeoutMs} milliseconds`;
  if (outcome === 'exited') return EXITED_ABRUPTLY;
  const acknowledgement = readAcknowledgement(outcome);
  if (typeof acknowledgement === 'string') return acknowledgement;
  if (acknowledgement.numbered) member.numberLines();
  return undefined;
}

async function problemOfLife(member: LoopMember, { clock }: StartLimits): Promise<string | undefined> {
  return (await within(clock, PROVING_MS, member.gone)) === 'late' ? undefined : MESSAGE_EXITED;
}

/** @returns what the event brings, or `late` if it has not come within that time */
export async function within<T>(clock: AwakeClock, ms: number, event: Promise<T>): Promise<T | 'late'> {
  let tellLate: (late: 'late') => void = () => {};
  const late = new Promise<'late'>((resolve) => {
    tellLate = resolve;
  });
  const alarm = clock.alarm({ inMs: ms }, () => tellLate('late'));
  try {
    return await Promise.race([event, late]);
  } finally {
    alarm.cancel();
  }
}
