import type { ActionImage } from '../os/action-image.js';
import type { ProcessObserver, RunningProcess } from '../os/running-process.js';
/**
 * What stands between the supervisor and the several ways to begin an activation. The supervisor never
 * knows which one it was: an engine may execute a program, clone a prepared one, or find one that waits.
 */

/** The engines, in the order of preference of `auto`. */
export type EngineName = 'forkserver' | 'posix_spawn' | 'child_process';

/** What the contract says of one activation. */
export interface StartRequest {
  readonly action: ActionImage;
  /** The arguments: written to stdin whole, and argv[1] when {@link argumentFits}. */
  readonly argument: Buffer;
  /** Variables of this run, which win over those of the action. */
  readonly variables: readonly (readonly [name: string, value: string])[];
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
