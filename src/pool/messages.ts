/**
 * What crosses the border between the main thread and the workers: plain data, no functions, no classes.
 */

import type { MessagePort } from 'node:worker_threads';
import type { TraceContext } from '../contract/trace-context.js';
import type { ErrorCode } from '../errors/table.js';
import type { SinkTarget } from '../logs/sink.js';
import type { AlarmTime } from '../process/awake-clock.js';
import type { ProcessExit } from '../process/engines/engine.js';
import type { IdentityFacts } from '../process/engines/forkserver/identity.js';
import type { Built } from '../process/engines/forkserver/set-up/build.js';
import type { Shape } from '../process/engines/forkserver/shape.js';
import type { OpenFiles } from '../process/open-files.js';
import type { Rights } from '../process/rights.js';

/** The engine settings: `auto` takes the best that works. */
export type EngineChoice = 'auto' | 'forkserver' | 'posix_spawn' | 'child_process';

/** What a worker thread is given at its start. */
export interface WorkerSettings {
  readonly actionRoot: string;
  /** The environment block that the server was started with (`/proc/[pid]/environ`, proc(5)). */
  readonly environment: Uint8Array;
  readonly engine: EngineChoice;
  /** What actions may that the server may not, or the other way; undefined: nothing differs. */
  readonly rights: Rights | undefined;
  /** The largest body of a request. */
  readonly maxBodyBytes: number;
  readonly maxResultBytes: number;
  readonly maxUnzippedBytes: number;
  readonly maxEntries: number;
  readonly maxUnzipRatio: number;
  readonly initTimeoutMs: number;
  readonly drainMs: number;
  readonly timeoutGraceMs: number;
  /** Whether what is left of an activation's process group is killed (D-02). */
  readonly killsLeftovers: boolean;
  /** RLIMIT_NOFILE for actions; undefined: what the server has. */
  readonly openFiles: OpenFiles | undefined;
  readonly shared: SharedMemory;
  /** The descriptors that logs go to. */
  readonly logs: readonly [stdout: number, stderr: number];
  /** How the threads write to them. */
  readonly sinks: readonly [stdout: SinkTarget, stderr: SinkTarget];
  /** Whether the lines that end an activation's log are written. */
  readonly sentinels: boolean;
  /** The nice value of actions; undefined: this process's own. */
  readonly priority?: number;
  /** Of this server. */
  readonly version: string;
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
  /** What could not be written to them: logs/losses.ts. */
  readonly losses: SharedArrayBuffer;
  /** What the fork server counts: process/engines/forkserver/stats.ts. */
  readonly engineStats: SharedArrayBuffer;
  /** How late the event loops of the threads are: metrics/loop-lag.ts; absent where nobody asks. */
  readonly lag?: SharedArrayBuffer;
  /** How many bytes of bodies and results are held: pool/byte-budget.ts. */
  readonly budget: SharedArrayBuffer;
  /** One number: 1 once a shutdown has killed what outlived its grace period. */
  readonly shutdown: SharedArrayBuffer;
}

/** Runs one activation. */
export interface RunTask {
  readonly kind: 'run';
  /** The body of the request, its own buffer. */
  readonly body: Uint8Array;
  /** Counts up with each init that may have changed files or variables. */
  readonly generation: number;
  /** The variables of the last init, as JSON text of name and value pairs; empty for none. */
  readonly variables: string;
  /** When it must be over; absent for no limit. */
  readonly time?: AlarmTime;
  /** The W3C trace context that the action is to see, checked. */
  readonly trace?: TraceContext;
  /** In Knative mode: what the body does not say. */
  readonly knative?: KnativeContext;
}

/** An HTTP header. */
export type Header = readonly [name: string, value: string];

/** What a request in Knative mode is read with. */
export interface KnativeContext {
  readonly method: string;
  /** The request's headers as the action sees them. */
  readonly headers: readonly Header[];
  /** Without the question mark. */
  readonly query: string;
  readonly accessControlRequestHeaders?: string;
  /** `__OW_NAMESPACE` of the server. */
  readonly namespace: string;
  /** Whether the server's environment brings the action, and requests must not. */
  readonly dedicated: boolean;
  /** Whether the `init` of the body has been dealt with. */
  readonly initIsDone: boolean;
  /** As the last init set it. */
  readonly raw: boolean;
  /** As the last init named it; empty for none. */
  readonly actionName: string;
}

/** An answer as the action shaped it (C-KN-17). */
export interface ShapedAnswer {
  readonly status: number;
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
}

/** A request in Knative mode that brings an init: nothing has been done yet. */
export interface BringsInit {
  readonly raw: boolean;
  readonly name: string;
  /** The request without its init, where anything is left. */
  readonly rest?: Uint8Array;
  /** The request whole, which has been moved there and back. */
  readonly body: Uint8Array;
}

/** Initialises the action. */
export interface InitTask {
  readonly kind: 'init';
  readonly body: Uint8Array;
  /** Whether it lies in the `init` of a request in Knative mode. */
  readonly knative?: true;
}

/** Logs that a second init was refused, and answers it. */
export interface RefuseInitTask {
  readonly kind: 'refuse-init';
}

/** Tells which engine the worker has; its answer also says that the worker serves. */
export interface HelloTask {
  readonly kind: 'hello';
}

/** ActionLoop: installs the upload of an init. */
export interface LoopInstallTask {
  readonly kind: 'loop-install';
  readonly body: Uint8Array;
  readonly timeoutMs: number;
}

/** ActionLoop: starts a process, and resolves when it has been reaped. */
export interface LoopProcessTask {
  readonly kind: 'loop-process';
  readonly image: LoopImage;
  /** What become its stdout and stderr; the main thread's. */
  readonly logs: readonly [stdout: number, stderr: number];
  /** Tells of the start as {@link LoopStarted}, and takes {@link LoopCommand}. */
  readonly port: MessagePort;
}

/** ActionLoop: makes the line of a large body, which would hold up the main thread. */
export interface LoopLineTask {
  readonly kind: 'loop-line';
  readonly body: Uint8Array;
}

/** Makes a template process for the main thread. */
export interface TemplateTask {
  readonly kind: 'template';
  readonly generation: number;
  readonly variables: string;
  readonly shape: Shape;
  /** What becomes the template's socket; it stays the main thread's. */
  readonly socket: number;
}

/** A template process that runs, or why there is none. */
export type TemplateAnswer =
  | (Pick<Built, 'pid' | 'notYet'> & { readonly identity: IdentityFacts; readonly parent: string })
  | { readonly reason: string };

/** Judges a long line as a result (C-RUN-16); it comes back in the answer, a `Judged`. */
export interface JudgeTask {
  readonly kind: 'judge';
  readonly line: Uint8Array;
  /** ActionLoop: the line itself is the result, with its line feed (C-AL-14). */
  readonly whole: boolean;
}

/** Looks for the platform's deadline in a large body. */
export interface DeadlineTask {
  readonly kind: 'deadline';
  readonly body: Uint8Array;
}

/** The answer to a {@link DeadlineTask}. */
export interface DeadlineAnswer {
  /** Milliseconds of the epoch; absent if there is none. */
  readonly deadlineEpochMs?: number;
  /** The body, which has been moved there and back. */
  readonly body: Uint8Array;
}

/** The grace period of a shutdown is over: ends all activations of the thread. */
export interface KillTask {
  readonly kind: 'kill';
}

/** Gives back what the engines hold, before the thread is ended. */
export interface CloseTask {
  readonly kind: 'close';
}

export type WorkerTask =
  | RunTask
  | InitTask
  | RefuseInitTask
  | HelloTask
  | CloseTask
  | JudgeTask
  | DeadlineTask
  | KillTask
  | TemplateTask
  | LoopInstallTask
  | LoopProcessTask
  | LoopLineTask;

/** What the processes of an ActionLoop action are started from. */
export interface LoopImage {
  /** The folder of its init, to be removed when nobody needs it any more. */
  readonly folder: string;
  readonly exec: string;
  /** Entries `NAME=value`, each ended by NUL. */
  readonly environment: Uint8Array;
}

/** A process that runs, with our ends of its pipes; or why there is none. */
export type LoopStarted =
  | { readonly pid: number; readonly stdin: number; readonly answers: number }
  | { readonly errno: string };

/** The pipes are taken over; or a signal for the process group. */
export type LoopCommand = 'taken' | 'SIGTERM' | 'SIGKILL';

/** The answer to a {@link LoopInstallTask}. */
export interface LoopInstallAnswer extends InitAnswer {
  readonly image?: LoopImage;
  /** For the action's stdout. */
  readonly log?: string;
  /** For the action's stderr. */
  readonly advice?: string;
}

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
  /** Whether the main thread started it itself (src/direct). */
  readonly direct?: true;
  /** Whether the result is an error of the action's own making: an object with a member `error` (C-RUN-20). */
  readonly actionError?: true;
}

/** The answer to /run. */
export interface RunAnswer {
  /** The result's own bytes; absent with a failure. */
  readonly result?: Uint8Array;
  readonly failure?: AnswerFailure;
  readonly facts: ActivationFacts;
  /** In Knative mode, what the result is answered as. */
  readonly shaped?: ShapedAnswer;
  /** The request's body: another init has taken its place meanwhile, and nothing has been started. */
  readonly superseded?: Uint8Array;
  /** In Knative mode: there was no activation yet. */
  readonly bringsInit?: BringsInit;
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
  /** The part of it in which the upload was read, unpacked and moved into place; absent where that was not reached. */
  readonly installMs?: number;
  /** ActionLoop: the part of it behind that, in which the process was started and acknowledged its start. */
  readonly startMs?: number;
  /** Size of the archive or text that was installed. */
  readonly codeBytes: number;
  /** Size of what was written for it, all files together; absent where nothing was kept. */
  readonly unpackedBytes?: number;
}

export interface HelloAnswer {
  readonly engine: string;
  /** Why a better engine is not in use; empty where the best is. */
  readonly fallbackReason: string;
  /** Why other processes of the same user may read the server's memory; empty where they may not. */
  readonly inspectable: string;
}
