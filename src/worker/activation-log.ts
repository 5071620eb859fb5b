import { SENTINEL } from '../contract/messages.js';
import { type LogStream, type LogWait, NOBODY, whenBothWritten } from '../logs/log-stream.js';
import type { Alarm, AwakeClock } from '../process/awake-clock.js';
import type { RunningProcess } from '../process/engines/engine.js';

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
function offerSentinels({ stdout, stderr }: LogStreams): void {
  stdout.offerSentinel(SENTINEL_LINE);
  stderr.offerSentinel(SENTINEL_LINE);
}

/** Resolves once what was given to the streams is written, or after a while: their reader must not hold up an answer. */
export function written({ stdout, stderr }: LogStreams): Promise<void> {
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

/** Writes the lines that end the log of an init, or of an activation whose own supervisor could not; waits as {@link written}. */
export async function writeSentinels(logs: LogStreams): Promise<void> {
  if (logs.sentinels) offerSentinels(logs);
  await written(logs);
}

/**
 * The log of one activation, on its way to the server's stdout and stderr.
 *
 * A reader that is slow holds back the action, and the answer (C-LOG-01). After {@link hurry} it holds up nothing:
 * what finds no room is dropped and counted.
 */
export class ActivationLog {
  /** What the action has written for its log. */
  bytes = 0;
  /** Of that, what was dropped before the answer. */
  droppedBytes = 0;
  /** Whether the answer went out before the log was written. */
  incomplete = false;
  readonly #logs: LogStreams;
  readonly #owner: number;
  readonly #clock: AwakeClock;
  readonly #relief = new Set<LogWait>();
  #hurried = false;
  #written: (() => void) | undefined;
  #wait: LogWait | undefined;
  #limit: Alarm | undefined;

  /** @param owner a number that no other activation in flight has; {@link NOBODY} for one that only ends the log */
  constructor(logs: LogStreams, owner: number, clock: AwakeClock) {
    this.#logs = logs;
    this.#owner = owner;
    this.#clock = clock;
  }

  /** As {@link LogStream.write}. */
  write(stream: 'stdout' | 'stderr', bytes: Buffer, release?: () => void): void {
    this.bytes += bytes.length;
    const to = this.#logs[stream];
    if (!this.#hurried) to.write(this.#owner, bytes, release);
    else if (!to.offer(this.#owner, bytes, release)) this.droppedBytes += bytes.length;
  }

  /** While the stream's reader is behind, the action's pipes fill up and hold it back, not the server (D-19). */
  holdBack(stream: 'stdout' | 'stderr', process: RunningProcess | undefined): void {
    const from = this.#logs[stream];
    if (this.#hurried || !from.congested) return;
    process?.pause();
    const wait = from.whenRelieved(() => {
      this.#relief.delete(wait);
      if (this.#relief.size === 0) process?.resume();
    });
    this.#relief.add(wait);
  }

  /** Nobody waits for the log's reader any more; a process that was held back is read again. */
  hurry(process: RunningProcess | undefined): void {
    if (this.#hurried) return;
    this.#hurried = true;
    if (this.#written !== undefined) this.#limitWait();
    if (this.#relief.size === 0) return;
    for (const wait of this.#relief) wait.cancel();
    this.#relief.clear();
    process?.resume();
  }

  /** Writes the lines that end it, and calls back once all is written, or nobody waits for that any more. */
  end(written: () => void): void {
    const { stdout, stderr, sentinels } = this.#logs;
    if (sentinels && this.#hurried) offerSentinels(this.#logs);
    else if (sentinels) {
      stdout.write(NOBODY, SENTINEL_LINE);
      stderr.write(NOBODY, SENTINEL_LINE);
    }
    this.#written = written;
    this.#wait = whenBothWritten(stdout, stderr, () => this.#tellWritten());
    if (this.#hurried) this.#limitWait();
  }

  #limitWait(): void {
    if (this.#written === undefined) return;
    this.#limit = this.#clock.alarm({ inMs: MAX_LOG_WAIT_MS }, () => {
      this.#wait?.cancel();
      this.incomplete = true;
      const { stdout, stderr } = this.#logs;
      if (this.#owner !== NOBODY) this.droppedBytes += stdout.drop(this.#owner) + stderr.drop(this.#owner);
      this.#tellWritten();
    });
  }

  #tellWritten(): void {
    const written = this.#written;
    this.#written = undefined;
    this.#limit?.cancel();
    written?.();
  }
}
