import type { ProcessExit } from '../protocol/answer.js';

/** Gets what a process does, in order; never called before `start` has returned. */
export interface ProcessObserver {
  /** Bytes of stdout; valid only during the call. */
  stdout(chunk: Buffer): void;
  /** Bytes of stderr; valid only during the call. */
  stderr(chunk: Buffer): void;
  /** Bytes of descriptor 3, of a process that answers there; valid only during the call. */
  answer?(chunk: Buffer): void;
  /**
   * `exec` itself has exited, and what it wrote has been handed on. It is not reaped before
   * {@link RunningProcess.release}.
   * @param streamsOpen whether another process still holds stdout or stderr
   */
  exited(streamsOpen: boolean): void;
  /** After `exited` with open streams: both have now reached their end. */
  streamsEnded(): void;
}

/** A process under way. */
export interface RunningProcess {
  readonly pid: number;
  /** Stops reading its output, so that it blocks once its pipes are full. */
  pause(): void;
  /** Reads on after {@link pause}. */
  resume(): void;
  /** Sends a signal to it and to the group that it was made the leader of; no effect once it has been reaped. */
  kill(signal: number): void;
  /** Whether its output is not read now. */
  readonly isPaused?: boolean;
  /** Ends its stdin, where that is still open. */
  closeStdin?(): void;
  /**
   * Lets go of the streams, whoever still holds their other ends, and reaps the process: at once after `exited`, else
   * as soon as it has exited, and then nothing is told of it any more.
   *
   * @param beforeReaping called while nobody else can have the number of its process group yet
   * @returns how it ended; nothing where it has not
   */
  release(beforeReaping?: () => void): ProcessExit;
}
