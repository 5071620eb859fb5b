import { type LogStream, type LogWait, NO_OWNER, whenBothWritten } from '../logging/action-log/log-stream.js';
import type { ClockTimer, FreezeAwareClock } from '../os/freeze-aware-clock.js';
import type { RunningProcess } from '../os/running-process.js';
import { SENTINEL } from '../protocol/texts.js';

/** The server's own stdout and stderr, as this thread writes to them. */
export interface LogStreams {
  readonly stdout: LogStream;
  readonly stderr: LogStream;
  /** Whether the lines that end an activation's log are written. */
  readonly sentinels: boolean;
}

/** So long an activation that has been ended waits until its log is written. */
const MAX_LOG_WAIT_MS = 100;
/** So long other answers wait for their lines: an init's, and that of an activation whose supervisor was lost. */
const MAX_LINE_WAIT_MS = 1000;

const SENTINEL_LINE = Buffer.from(`${SENTINEL}\n`);

/** Writes the lines that end a log, unless the streams are congested. */
function writeOrDropSentinels({ stdout, stderr }: LogStreams): void {
  stdout.writeOrDropSentinel(SENTINEL_LINE);
  stderr.writeOrDropSentinel(SENTINEL_LINE);
}

/** Resolves once what was given to the streams is written, or after a while: their reader must not hold up an answer. */
export function whenWritten({ stdout, stderr }: LogStreams): Promise<void> {
  return new Promise((resolve) => {
    const limit = setTimeout(() => {
      wait.cancel();
      resolve();
    }, MAX_LINE_WAIT_MS);
    const wait = whenBothWritten(stdout, stderr, () => {
      clearTimeout(limit);
      resolve();
    });
  });
}

/** Writes the lines that end the log of an init, or of an activation whose own supervisor could not; waits as {@link whenWritten}. */
export async function writeSentinels(logs: LogStreams): Promise<void> {
  if (logs.sentinels) writeOrDropSentinels(logs);
  await whenWritten(logs);
}

/**
 * The log of one activation, on its way to the server's stdout and stderr.
 *
 * A reader that is slow holds back the action, and the answer (C-LOG-01). After {@link stopWaiting} it holds up nothing:
 * what finds no room is dropped and counted.
 */
export class ActivationLog {
  /** What the action has written for its log. */
  bytes = 0;
  /** Of that, what was dropped before the answer. */
  droppedBytes = 0;
  /** Whether the answer went out before the log was written. */
  isIncomplete = false;
  readonly #logs: LogStreams;
  readonly #owner: number;
  readonly #clock: FreezeAwareClock;
  readonly #congestionWaits = new Set<LogWait>();
  #hasStoppedWaiting = false;
  #written: (() => void) | undefined;
  #wait: LogWait | undefined;
  #limit: ClockTimer | undefined;

  /** @param owner a number that no other activation in flight has; {@link NO_OWNER} for one that only ends the log */
  constructor(logs: LogStreams, owner: number, clock: FreezeAwareClock) {
    this.#logs = logs;
    this.#owner = owner;
    this.#clock = clock;
  }

  /** As {@link LogStream.write}. */
  write(stream: 'stdout' | 'stderr', bytes: Buffer, release?: () => void): void {
    this.bytes += bytes.length;
    const to = this.#logs[stream];
    if (!this.#hasStoppedWaiting) to.write(this.#owner, bytes, release);
    else if (!to.writeOrDrop(this.#owner, bytes, release)) this.droppedBytes += bytes.length;
  }

  /** While the stream's reader is behind, the action's pipes fill up and hold it back, not the server (C-LOG-01). */
  applyBackpressure(stream: 'stdout' | 'stderr', process: RunningProcess | undefined): void {
    const from = this.#logs[stream];
    if (this.#hasStoppedWaiting || !from.congested) return;
    process?.pause();
    const wait = from.whenUncongested(() => {
      this.#congestionWaits.delete(wait);
      if (this.#congestionWaits.size === 0) process?.resume();
    });
    this.#congestionWaits.add(wait);
  }

  /** Nobody waits for the log's reader any more; a process that was held back is read again. */
  stopWaiting(process: RunningProcess | undefined): void {
    if (this.#hasStoppedWaiting) return;
    this.#hasStoppedWaiting = true;
    if (this.#written !== undefined) this.#limitWait();
    if (this.#congestionWaits.size === 0) return;
    for (const wait of this.#congestionWaits) wait.cancel();
    this.#congestionWaits.clear();
    process?.resume();
  }

  /** Writes the lines that end it, and calls back once all is written, or nobody waits for that any more. */
  end(whenWritten: () => void): void {
    const { stdout, stderr, sentinels } = this.#logs;
    if (sentinels && this.#hasStoppedWaiting) writeOrDropSentinels(this.#logs);
    else if (sentinels) {
      stdout.write(NO_OWNER, SENTINEL_LINE);
      stderr.write(NO_OWNER, SENTINEL_LINE);
    }
    this.#written = whenWritten;
    this.#wait = whenBothWritten(stdout, stderr, () => this.#resolveWritten());
    if (this.#hasStoppedWaiting) this.#limitWait();
  }

  #limitWait(): void {
    if (this.#written === undefined) return;
    this.#limit = this.#clock.setTimer({ inMs: MAX_LOG_WAIT_MS }, () => {
      this.#wait?.cancel();
      this.isIncomplete = true;
      const { stdout, stderr } = this.#logs;
      if (this.#owner !== NO_OWNER) this.droppedBytes += stdout.drop(this.#owner) + stderr.drop(this.#owner);
      this.#resolveWritten();
    });
  }

  #resolveWritten(): void {
    const whenWritten = this.#written;
    this.#written = undefined;
    this.#limit?.cancel();
    whenWritten?.();
  }
}
