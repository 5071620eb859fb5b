import type { ProcessExit } from '../../protocol/answer.js';
import type { ActionLoopImage } from '../../threads/messages.js';

/** The way to a process that stays, once it runs. */
export interface ActionLoopChannel {
  readonly pid: number;
  /** Resolves once it has ended, and everything it wrote before has been handed on. */
  readonly exited: Promise<ProcessExit>;
  /**
   * Resolves once no process has its stdin open, so that nobody will read what is unread. Never, if the channel can't
   * know what is unread: such a channel kills the process itself.
   */
  readonly stdinClosed: Promise<void>;
  /**
   * How many turns of the event loop pass until everything is handed on that it has written until now; 0 if
   * {@link readAvailable} does that.
   */
  readonly turnsUntilRead: number;
  /** Of what it was given, how many bytes are known not to have been read, also when it has ended. */
  readonly unreadBytes: number;
  /** Hands bytes to its stdin, now or when it reads. They stay the channel's. */
  write(bytes: Buffer): void;
  /** Hands on at once what it has written until now, as far as it can be read without an event. */
  readAvailable(): void;
  /** Whether the system shows what it waits for. */
  readonly canObserveWaits: boolean;
  /**
   * Whether it waits for its next line at this moment.
   *
   * @param search whether to look at all of its threads and of its descendants'
   */
  isWaitingForInput(search: boolean): boolean;
  /** Ends its stdin: the usual way to ask it to end. */
  closeStdin(): void;
  /** Sends a signal to it and to its process group; no effect once it has ended. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

/**
 * Starts a process of the action.
 *
 * @param answered gets what it writes on descriptor 3, in order; valid during the call
 * @returns the channel, or the name of the error that prevented the start
 */
export type ActionLoopLauncher = (
  image: ActionLoopImage,
  answered: (chunk: Buffer) => void,
) => Promise<ActionLoopChannel | { readonly errno: string }>;
