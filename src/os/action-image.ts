/** The action that runs are started from; a new object whenever an init changed it. */
export interface ActionImage {
  /** Absolute path of `exec`; argv[0] of every process. */
  readonly exec: string;
  /** Absolute path of the action folder: the working directory. */
  readonly folder: string;
  /** The environment of every run, `NAME=value` as bytes; no name twice. */
  readonly environment: readonly Buffer[];
}

/** The kernel's limit for one string of argv, without its NUL (MAX_ARG_STRLEN, execve(2); C-RUN-04). */
const MAX_ARGUMENT_BYTES = 131_071;

/** Whether the arguments fit argv[1]; else there is no argv[1], and stdin alone carries them. */
export function argumentFits(argument: Buffer): boolean {
  return argument.length <= MAX_ARGUMENT_BYTES;
}
