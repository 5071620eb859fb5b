/**
 * What stands between the supervisor and the several ways to begin an activation. The supervisor never
 * knows which one it was: an engine may execute a program, clone a prepared one, or find one that waits.
 */

/** The engines, in the order of preference of `auto`. */
export type EngineName = 'forkserver' | 'posix_spawn' | 'child_process';

/** The action that runs are started from; a new object whenever an init changed it. */
export interface ActionImage {
  /** Absolute path of `exec`; argv[0] of every process. */
  readonly exec: string;
  /** Absolute path of the action folder: the working directory. */
  readonly folder: string;
  /** The environment of every run, `NAME=value` as bytes; no name twice. */
  readonly environment: readonly Buffer[];
}

/** What the contract says of one activation. */
export interface StartRequest {
  readonly action: ActionImage;
  /** The arguments: written to stdin whole, and argv[1] when {@link argumentFits}. */
  readonly argument: Buffer;
  /** Variables of this run, which win over those of the action. */
  readonly variables: readonly (readonly [name: string, value: string])[];
}

/** How a process ended, once it has been reaped. */
export interface ProcessExit {
  /** Exit status, when it exited by itself. */
  readonly status?: number;
  /** Signal number, when a signal ended it. */
  readonly signal?: number;
  /** Resource usage from wait4(2); absent where the engine can't tell (D-23). */
  readonly usage?: ResourceUsage;
}

/** What a process and its reaped children used. */
export interface ResourceUsage {
  readonly userCpuSeconds: number;
  readonly systemCpuSeconds: number;
  readonly maxResidentBytes: number;
}

/** Gets what a process does, in order; never called before `start` has returned. */
export interface ProcessObserver {
  /** Bytes of stdout; valid only during the call. */
  stdout(chunk: Buffer): void;
  /** Bytes of stderr; valid only during the call. */
  stderr(chunk: Buffer): void;
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
  /**
   * Lets go of the streams, whoever still holds their other ends, and reaps the process: at once after `exited`, else
   * as soon as it has exited, and then nothing is told of it any more.
   *
   * @param beforeReaping called while nobody else can have the number of its process group yet
   * @returns how it ended; nothing where it has not
   */
  release(beforeReaping?: () => void): ProcessExit;
}

/** What became of an attempt to start. */
export type StartOutcome =
  | { readonly kind: 'started'; readonly process: RunningProcess }
  /** The system said no; `errno` names why, as `ENOENT`. */
  | { readonly kind: 'failed'; readonly errno: string }
  /** It has begun, and was killed because it could not be watched: it must not be started again. */
  | { readonly kind: 'killed'; readonly errno: string }
  /** Nothing was started, and the next engine may try; `reason` is for the metric. */
  | { readonly kind: 'refused'; readonly reason: string };

/** One way to begin activations. Each worker thread has its own. */
export interface ExecEngine {
  readonly name: EngineName;
  /** Told before the first start from an image; an engine may prepare for it, or do nothing. */
  actionChanged(action: ActionImage): void;
  /** Begins an activation. Never throws for what the action or the system does. */
  start(request: StartRequest, observer: ProcessObserver): StartOutcome | Promise<StartOutcome>;
  /** Gives back what the engine holds; running processes are left to their supervisor. */
  close(): void;
}

/** The kernel's limit for one string of argv, without its NUL (MAX_ARG_STRLEN, execve(2); C-RUN-04). */
const MAX_ARGUMENT_BYTES = 131_071;

/** Whether the arguments fit argv[1]; else there is no argv[1], and stdin alone carries them. */
export function argumentFits(argument: Buffer): boolean {
  return argument.length <= MAX_ARGUMENT_BYTES;
}
