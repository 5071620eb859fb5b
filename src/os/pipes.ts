import { close, errno, F_GETFL, F_SETFL, fchown, fcntl, O_CLOEXEC, O_NONBLOCK, pipe2 } from './libc.js';
import type { ActionUser } from './rights.js';

/** The pipes of one activation: our ends, and the child's to be closed once it has them. */
export interface ActivationPipes {
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  readonly child: readonly [stdin: number, stdout: number, stderr: number];
}

const ends = new Int32Array(2);

/**
 * Opens three pipes, all closed on exec; our reading ends do not block, the child's ends do.
 *
 * @param owner whom they belong to, so that a process of that user can open /dev/stdout; undefined: the server's user
 * @returns the pipes, or the error number that pipe2(2) gave, with nothing left open
 */
export function openPipes(owner?: ActionUser): ActivationPipes | number {
  const opened: number[] = [];
  for (let count = 0; count < 3; count++) {
    if (pipe2(ends, O_CLOEXEC) !== 0) {
      const error = errno();
      for (const fd of opened) close(fd);
      return error;
    }
    opened.push(ends[0] as number, ends[1] as number);
  }
  const [stdinRead, stdin, stdout, stdoutWrite, stderr, stderrWrite] = opened as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  setNonBlocking(stdout);
  setNonBlocking(stderr);
  if (owner !== undefined) for (const fd of [stdin, stdout, stderr]) fchown(fd, owner.uid, owner.gid);
  return { stdin, stdout, stderr, child: [stdinRead, stdoutWrite, stderrWrite] };
}

/** Makes calls on the descriptor return EAGAIN where they would wait (pipe(7)). */
export function setNonBlocking(fd: number): void {
  fcntl(fd, F_SETFL, O_NONBLOCK);
}

/** Takes that back, if it is so. */
export function setBlocking(fd: number): void {
  const flags = fcntl(fd, F_GETFL, 0);
  if (flags >= 0 && (flags & O_NONBLOCK) !== 0) fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

/** Closes the child's ends. */
export function closeChildEnds({ child }: ActivationPipes): void {
  for (const fd of child) close(fd);
}
