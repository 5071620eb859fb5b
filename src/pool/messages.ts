/**
 * What crosses the border between the main thread and the workers: plain data, no functions, no classes.
 */

import type { ErrorCode } from '../errors/table.js';
import type { ProcessExit } from '../process/engines/engine.js';
import type { OpenFiles } from '../process/open-files.js';

/** The engine settings: `auto` takes the best that works. */
export type EngineChoice = 'auto' | 'forkserver' | 'posix_spawn' | 'child_process';

/** What a worker thread is given at its start. */
export interface WorkerSettings {
  readonly actionRoot: string;
  readonly engine: EngineChoice;
  readonly maxResultBytes: number;
  readonly maxUnzippedBytes: number;
  readonly maxEntries: number;
  readonly drainMs: number;
  /** RLIMIT_NOFILE for actions; undefined: what the server has. */
  readonly openFiles: OpenFiles | undefined;
  readonly shared: SharedMemory;
}

/** Memory that all threads share. */
export interface SharedMemory {
  /** What each worker holds: process/ledger.ts. */
  readonly ledgers: SharedArrayBuffer;
  /** Who is starting a process: pool/start-gate.ts. */
  readonly startGate: SharedArrayBuffer;
  /** Who has lowered the limit on open files: process/open-files.ts. */
  readonly openFiles: SharedArrayBuffer;
  /** Who is writing to stdout and stderr: logs/log-stream.ts. */
  readonly logs: SharedArrayBuffer;
  /** What the fork server counts: process/engines/forkserver/stats.ts. */
  readonly engineStats: SharedArrayBuffer;
  /** One number: 1 once a shutdown has killed what outlived its grace period. */
  readonly shutdown: SharedArrayBuffer;
}

/** Runs one activation. */
export interface RunTask {
  readonly kind: 'run';
  /** The body of the request, its own buffer. */
  readonly body: Uint8Array;
  /** Counts up with each init that succeeded. */
  readonly generation: number;
  /** The variables of the last init, as JSON text of name and value pairs; empty for none. */
  readonly variables: string;
}

/** Initialises the action. */
export interface InitTask {
  readonly kind: 'init';
  readonly body: Uint8Array;
}

/** Logs that a second init was refused, and answers it. */
export interface RefuseInitTask {
  readonly kind: 'refuse-init';
}

/** Writes the sentinels that a lost activation still owes. */
export interface SentinelsTask {
  readonly kind: 'sentinels';
}

/** Tells which engine the worker has; its answer also says that the worker serves. */
export interface HelloTask {
  readonly kind: 'hello';
}

/** Gives back what the engines hold, before the thread is ended. */
export interface CloseTask {
  readonly kind: 'close';
}

export type WorkerTask = RunTask | InitTask | RefuseInitTask | SentinelsTask | HelloTask | CloseTask;

/** What the metrics want to know of an activation; durations are in milliseconds. */
export interface ActivationFacts {
  /** From the worker's first look at the request until its process ran; absent when none did. */
  readonly startMs?: number;
  /** From then until the process had exited. */
  readonly runMs?: number;
  /** The engine that started it. */
  readonly engine?: string;
  /** Why the engine that is preferred did not, as a word. */
  readonly refusal?: string;
  readonly exit?: ProcessExit;
  readonly logBytes: number;
  readonly argumentBytes: number;
}

/** The answer to /run. */
export interface RunAnswer {
  /** The result's own bytes; absent with a failure. */
  readonly result?: Uint8Array;
  readonly failure?: AnswerFailure;
  readonly facts: ActivationFacts;
}

/** A failure as the answer tells it. */
export interface AnswerFailure {
  readonly code: ErrorCode;
  readonly detail?: string;
  /** What exactly was wrong with `exec`, as a word for programs. */
  readonly reason?: string;
}

/** The answer to /init. */
export interface InitAnswer {
  readonly failure?: AnswerFailure;
  /** The variables that every run gets from now on, as {@link RunTask.variables}. */
  readonly variables?: string;
  readonly durationMs: number;
  /** Size of the archive or text that was installed. */
  readonly codeBytes: number;
}

export interface HelloAnswer {
  readonly engine: string;
  /** Why a better engine is not in use; empty where the best is. */
  readonly fallbackReason: string;
}
