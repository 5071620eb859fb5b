import type { Config } from '../config/load.js';
import type { InitAnswer } from '../protocol/answer.js';
import type { KnativeContext } from '../protocol/knative/request.js';
/**
 * What crosses the border between the main thread and the workers: plain data, no functions, no classes.
 */

import type { MessagePort } from 'node:worker_threads';
import type { StringLayout } from '../engines/forkserver/build/string-layout.js';
import type { SinkTarget } from '../logging/action-log/sink.js';
import type { TimerExpiry } from '../os/freeze-aware-clock.js';
import type { Rights } from '../os/rights.js';
import type { ParsedRunBody } from '../protocol/run-body.js';
import type { TraceContext } from '../protocol/trace-context.js';
import type { SoftHardLimit } from '../shared-memory/nofile-limit.js';

/** What a worker thread is given at its start: the configuration, and what follows from it. */
export interface WorkerSettings extends Config {
  readonly actionRoot: string;
  /** The environment block that the server was started with (`/proc/[pid]/environ`, proc(5)). */
  readonly environment: Uint8Array;
  /** What actions may that the server may not, or the other way; undefined: nothing differs. */
  readonly rights: Rights | undefined;
  /** The largest body of a request. */
  readonly maxBodyBytes: number;
  /** RLIMIT_NOFILE for actions; undefined: what the server has. */
  readonly openFiles: SoftHardLimit | undefined;
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
  /** What each worker holds: shared-memory/resource-table.ts. */
  readonly resourceTable: SharedArrayBuffer;
  /** Who is starting a process: shared-memory/spawn-lock.ts. */
  readonly spawnLock: SharedArrayBuffer;
  /** Who has lowered the limit on open files: shared-memory/nofile-limit.ts. */
  readonly openFiles: SharedArrayBuffer;
  /** Who is writing to stdout and stderr: logging/action-log/log-stream.ts. */
  readonly logs: SharedArrayBuffer;
  /** What could not be written to them: shared-memory/log-losses.ts. */
  readonly losses: SharedArrayBuffer;
  /** What the fork server counts: engines/forkserver/ipc/stats.ts. */
  readonly engineStats: SharedArrayBuffer;
  /** How late the event loops of the threads are: shared-memory/event-loop-lag.ts; absent where nobody asks. */
  readonly eventLoopLag?: SharedArrayBuffer;
  /** How many bytes of bodies and results are held: shared-memory/byte-budget.ts. */
  readonly budget: SharedArrayBuffer;
  /** One number: 1 once a shutdown has killed what outlived its grace period. */
  readonly shutdown: SharedArrayBuffer;
}

/** One activation. */
export interface ActivationTask {
  /** The body of the request, its own buffer. */
  readonly body: Uint8Array;
  /** Counts up with each init that may have changed files or variables. */
  readonly generation: number;
  /** The variables of the last init, as JSON text of name and value pairs; empty for none. */
  readonly variables: string;
  /** When it must be over; absent for no limit. */
  readonly time?: TimerExpiry;
  /** The W3C trace context that the action is to see, checked. */
  readonly trace?: TraceContext;
}

/** Runs one activation. */
export interface RunTask extends ActivationTask {
  readonly kind: 'run';
  /** What the body says, if it has been parsed. */
  readonly parsed?: ParsedRunBody;
}

/** Reads a request in Knative mode, and runs its activation unless it brings an init. */
export interface KnativeRunTask extends ActivationTask {
  readonly kind: 'knative-run';
  readonly context: KnativeContext;
}

/** Initialises the action. */
export interface InitTask {
  /** With `knative-init` it lies in the `init` of a request. */
  readonly kind: 'init' | 'knative-init';
  readonly body: Uint8Array;
}

/** Logs that a second init was refused, and answers it. */
export interface RefuseInitTask {
  readonly kind: 'refuse-init';
}

/** Tells which engine the worker has; its answer also says that the worker serves. */
interface HelloTask {
  readonly kind: 'hello';
}

/** Loads what the first init needs, while nothing else is to be done. */
interface PreloadTask {
  readonly kind: 'preload';
}

/** ActionLoop: installs the upload of an init. */
export interface ActionLoopInstallTask {
  readonly kind: 'actionloop-install';
  readonly body: Uint8Array;
  readonly timeoutMs: number;
  /** Whether each activation is to have a process of its own, which its environment says. */
  readonly isolated: boolean;
}

/** Isolated ActionLoop: starts a process and waits until it may be given work. */
export interface IsolatedPrepareTask {
  readonly kind: 'isolated-prepare';
  readonly image: ActionLoopImage;
  /** What is left of the time of the init. */
  readonly timeoutMs: number;
}

/** The answer to an {@link IsolatedPrepareTask}. */
export interface IsolatedPrepared {
  /** Why it may not. */
  readonly problem?: string;
  /** Whether its lines are numbered (C-AL-23). */
  readonly numbered: boolean;
}

/** Isolated ActionLoop: runs one activation. */
export interface IsolatedRunTask {
  readonly kind: 'isolated-run';
  /** The body of the request, its own buffer. */
  readonly body: Uint8Array;
  readonly image: ActionLoopImage;
  readonly numbered: boolean;
  /** When it must be over; absent for no limit. */
  readonly time?: TimerExpiry;
}

/** Isolated ActionLoop: lets go what was prepared of an image. */
interface IsolatedForgetTask {
  readonly kind: 'isolated-forget';
  readonly folder: string;
}

/** ActionLoop: starts a process, and resolves when it has been reaped. */
export interface ActionLoopProcessTask {
  readonly kind: 'actionloop-process';
  readonly image: ActionLoopImage;
  /** What become its stdout and stderr; the main thread's. */
  readonly logs: readonly [stdout: number, stderr: number];
  /** Tells of the start as {@link ActionLoopStarted}, and takes {@link ActionLoopCommand}. */
  readonly port: MessagePort;
}

/** ActionLoop: makes the line of a large body, which would hold up the main thread. */
interface ActionLoopLineTask {
  readonly kind: 'actionloop-line';
  readonly body: Uint8Array;
}

/** Makes a template process for the main thread. */
export interface TemplateTask {
  readonly kind: 'template';
  readonly generation: number;
  readonly variables: string;
  readonly layout: StringLayout;
  /** What becomes the template's socket; it stays the main thread's. */
  readonly socket: number;
}

/** Judges a long line as a result (C-RUN-16); it comes back in the answer, a `Judged`. */
interface JudgeTask {
  readonly kind: 'judge';
  readonly line: Uint8Array;
  /** ActionLoop: the line itself is the result, with its line feed (C-AL-14). */
  readonly whole: boolean;
}

/** Parses the large body of a /run. */
interface ParseTask {
  readonly kind: 'parse';
  readonly body: Uint8Array;
}

/** The answer to a {@link ParseTask}. */
export interface ParseAnswer {
  readonly parsed: ParsedRunBody;
  /** The body, which has been moved there and back. */
  readonly body: Uint8Array;
}

/** The grace period of a shutdown is over: ends all activations of the thread. */
interface KillTask {
  readonly kind: 'kill';
}

/** Gives back what the engines hold, before the thread is ended. */
interface CloseTask {
  readonly kind: 'close';
}

export type WorkerTask =
  | RunTask
  | KnativeRunTask
  | InitTask
  | RefuseInitTask
  | HelloTask
  | PreloadTask
  | CloseTask
  | JudgeTask
  | ParseTask
  | KillTask
  | TemplateTask
  | ActionLoopInstallTask
  | ActionLoopProcessTask
  | ActionLoopLineTask
  | IsolatedForgetTask
  | IsolatedPrepareTask
  | IsolatedRunTask;

/** What the processes of an ActionLoop action are started from. */
export interface ActionLoopImage {
  /** The folder of its init, to be removed when nobody needs it any more. */
  readonly folder: string;
  readonly exec: string;
  /** Entries `NAME=value`, each ended by NUL. */
  readonly environment: Uint8Array;
}

/** A process that runs, with our ends of its pipes; or why there is none. */
export type ActionLoopStarted =
  | { readonly pid: number; readonly stdin: number; readonly answers: number }
  | { readonly errno: string };

/** The pipes are taken over; or a signal for the process group. */
export type ActionLoopCommand = 'taken' | 'SIGTERM' | 'SIGKILL';

/** The answer to a {@link ActionLoopInstallTask}. */
export interface ActionLoopInstallAnswer extends InitAnswer {
  readonly image?: ActionLoopImage;
  /** For the action's stdout. */
  readonly stdoutLog?: string;
  /** For the action's stderr. */
  readonly stderrLog?: string;
}

export interface HelloAnswer {
  readonly engine: string;
  /** Why a better engine is not in use; empty where the best is. */
  readonly fallbackReason: string;
  /** Why other processes of the same user may read the server's memory; empty where they may not. */
  readonly inspectable: string;
}
