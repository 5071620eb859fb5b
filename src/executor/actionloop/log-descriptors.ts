import { closeSync, fstatSync, writeSync } from 'node:fs';
import { openAgain } from '../../logging/action-log/sink.js';
import { LogLossCounter } from '../../shared-memory/log-losses.js';
import type { WorkerSettings } from '../../threads/messages.js';

const NO_BYTES = Buffer.alloc(0);

/** What is needed of the settings. */
export interface LogSettings {
  readonly logs: WorkerSettings['logs'];
  readonly shared: Pick<WorkerSettings['shared'], 'losses'>;
}

/** What a process gets as its stdout or stderr; `unread` where nobody reads what the server's own leads to. */
export type LogDescriptor = { readonly fd: number; readonly isOwn: boolean } | 'unread';

/** The two that one process is started with. */
interface ProcessLogs {
  readonly stdout: LogDescriptor;
  readonly stderr: LogDescriptor;
  /** Closes those that were opened for it, once it has been started. */
  close(): void;
}

/**
 * Opens stdout and stderr for a process that writes to the container's own (C-AL-06).
 *
 * A pipe or terminal is opened a second time, with O_NONBLOCK, which the process must not have. The mode of the server's
 * own descriptor is shared with everybody who has it (fcntl(2)), and Node sets O_NONBLOCK there: with it a process does
 * not wait for a slow reader but gets EAGAIN, and what it wanted to write is lost.
 */
export function openProcessLogs({ logs }: LogSettings): ProcessLogs {
  const [stdout, stderr] = logs.map(open) as [LogDescriptor, LogDescriptor];
  return {
    stdout,
    stderr,
    close: () => {
      for (const one of [stdout, stderr]) if (one !== 'unread' && one.isOwn) closeSync(one.fd);
    },
  };
}

function open(fd: number): LogDescriptor {
  try {
    const again = openAgain(fd);
    if (again !== undefined) return { fd: again, isOwn: true };
    // A socket says so at a write, even of no bytes.
    if (fstatSync(fd).isSocket()) writeSync(fd, NO_BYTES);
    return { fd, isOwn: false };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENXIO' || code === 'EPIPE' ? 'unread' : { fd, isOwn: false };
  }
}

/** What counts the bytes of each stream that were not written. */
export function lossCountersOf({
  shared,
}: LogSettings): readonly [stdout: LogLossCounter, stderr: LogLossCounter] {
  return [new LogLossCounter(shared.losses, 0), new LogLossCounter(shared.losses, 1)];
}
