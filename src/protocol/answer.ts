import type { ErrorCode } from './errors.js';
import type { Received } from './received.js';
/** How a process ended, once it has been reaped. */
export interface ProcessExit {
  /** Exit status, when it exited by itself. */
  readonly status?: number;
  /** Signal number, when a signal ended it. */
  readonly signal?: number;
  /** Resource usage from wait4(2); absent where the engine can't tell. */
  readonly usage?: ResourceUsage;
}

/** What a process and its reaped children used. */
interface ResourceUsage {
  readonly userCpuSeconds: number;
  readonly systemCpuSeconds: number;
  readonly maxResidentBytes: number;
}

/** An HTTP header. */
export type Header = readonly [name: string, value: string];

/** What the metrics want to know of an activation; durations are in milliseconds. */
export interface ActivationStats {
  /** From the worker's first look at the request until its process ran; absent when none did. */
  readonly startMs?: number;
  /** From then until the process had exited. */
  readonly runMs?: number;
  /** The engine that started it. */
  readonly engine?: string;
  /** Why the engine that is preferred did not, as a word. */
  readonly refusal?: string;
  readonly exit?: ProcessExit;
  /** Processes that were left in its process group, and were killed. */
  readonly leftoversKilled?: number;
  /** As the platform named it. */
  readonly activationId?: string;
  readonly logBytes: number;
  /** Whether it was answered before its log was written, whose reader stands still. */
  readonly logIncomplete?: true;
  /** Of its log, what had been dropped by then. */
  readonly logBytesDropped?: number;
  readonly argumentBytes: number;
  /** Whether the main thread started it itself (src/executor/main-thread.ts). */
  readonly direct?: true;
  /** Whether the result is an error of the action's own making: an object with a member `error` (C-RUN-20). */
  readonly actionError?: true;
}

/** The answer to /run. */
export interface RunAnswer {
  /** The result's own bytes; absent with a failure. */
  readonly result?: Uint8Array;
  readonly failure?: AnswerFailure;
  readonly stats: ActivationStats;
  /** The request's body: another init has taken its place meanwhile, and nothing has been started. */
  readonly superseded?: Pick<Received, 'body' | 'parsed'>;
}

/** A failure as the answer tells it. */
export interface AnswerFailure {
  readonly code: ErrorCode;
  readonly detail?: string;
  /** What exactly was wrong with `exec` or with its result, as a word for programs. */
  readonly reason?: string;
  /** The same for the action's author, in a sentence that quotes nothing of the activation. */
  readonly explanation?: string;
}

/** What is probably a mistake in an init that succeeded. */
export interface InitWarning {
  /** A word for programs. */
  readonly reason: string;
  /** A sentence for the action's author. */
  readonly text: string;
}

/** The answer to /init. */
export interface InitAnswer {
  readonly failure?: AnswerFailure;
  readonly warning?: InitWarning;
  /** The variables that every run gets from now on, as {@link RunTask.variables}. */
  readonly variables?: string;
  readonly durationMs: number;
  /** The part of it in which the upload was read, unpacked and moved into place; absent where that was not reached. */
  readonly installMs?: number;
  /** ActionLoop: the part of it behind that, in which the process was started and acknowledged its start. */
  readonly startMs?: number;
  /** Size of the archive or text that was installed. */
  readonly codeBytes: number;
  /** Size of what was written for it, all files together; absent where nothing was kept. */
  readonly unpackedBytes?: number;
}
