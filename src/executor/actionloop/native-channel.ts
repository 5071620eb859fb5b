import { once } from 'node:events';
import { constants } from 'node:os';
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { close, errno, read, readFromStart, unreadBytesIn, write } from '../../os/libc.js';
import { ERROR, READABLE, type Reactor, type Watch, WRITABLE } from '../../os/reactor.js';
import { StdinWaitDetector } from '../../os/stdin-wait.js';
import type { ProcessExit } from '../../protocol/answer.js';
import type { ActionLoopCommand, ActionLoopStarted } from '../../threads/messages.js';
import type { WorkerPool } from '../../threads/worker-pool.js';
import type { ActionLoopChannel, ActionLoopLauncher } from './channel.js';
import type { NativeLogs } from './native-logs.js';

const CHUNK_BYTES = 64 * 1024;
/** What a watch waits for that is to report errors only. */
const NOTHING_BUT_ERRORS = 0;
const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);

/**
 * Starts processes in worker threads, which own them, and talks to them from this thread: the request is here
 * and the answer is wanted here, and a trip to another thread and back costs more than the pipes do
 * (docs/internals/architecture.md has the measurement).
 */
export function nativeLauncher(pool: WorkerPool, reactor: Reactor, logs: NativeLogs): ActionLoopLauncher {
  return async (image, answered) => {
    const { port1, port2 } = new MessageChannel();
    const opened = logs.open();
    const exited = pool.runActionLoopProcess(image, opened.descriptors, port2);
    const first = await Promise.race([
      once(port1, 'message').then(([message]) => message as ActionLoopStarted),
      // A process may have come and gone before the word of its start is read.
      exited.then(
        () => receiveMessageOnPort(port1)?.message as ActionLoopStarted | undefined,
        () => undefined,
      ),
    ]).finally(() => opened.close());
    if (first === undefined || 'errno' in first) return first ?? { errno: 'EIO' };
    // The word of a thread that has died since may be read after its death.
    if (!pool.takeOverPipes(first.pid, first.stdin, first.answers)) {
      port1.postMessage('SIGKILL' satisfies ActionLoopCommand);
      return { errno: 'EIO' };
    }
    port1.postMessage('taken' satisfies ActionLoopCommand);
    // The port must not keep the server alive.
    port1.unref();
    return new NativeChannel(first, exited, port1, reactor, answered);
  };
}

class NativeChannel implements ActionLoopChannel {
  readonly pid: number;
  readonly exited: Promise<ProcessExit>;
  readonly stdinClosed: Promise<void>;
  readonly turnsUntilRead = 0;
  readonly #reactor: Reactor;
  readonly #port: MessagePort;
  readonly #answered: (chunk: Buffer) => void;
  readonly #unsent: Buffer[] = [];
  readonly #stdinWait: StdinWaitDetector;
  #unreadAtExit = 0;
  #stdin: number;
  #answers: number;
  /** Waits for the closing of the other end, and while bytes are unsent for room in the pipe. */
  #stdinWatch: Watch | undefined;
  #awaitsRoom = false;
  #resolveStdinClosed: () => void = () => {};
  #readable: Watch | undefined;
  #ending = false;

  constructor(
    { pid, stdin, answers }: Exclude<ActionLoopStarted, { errno: string }>,
    exited: Promise<ProcessExit>,
    port: MessagePort,
    reactor: Reactor,
    answered: (chunk: Buffer) => void,
  ) {
    this.pid = pid;
    this.#stdin = stdin;
    this.#answers = answers;
    this.#port = port;
    this.#reactor = reactor;
    this.#answered = answered;
    this.#stdinWait = new StdinWaitDetector(pid, readFromStart);
    this.#readable = reactor.add(answers, READABLE, () => this.#readOnce());
    this.#stdinWatch = reactor.add(stdin, NOTHING_BUT_ERRORS, (events) => this.#onStdin(events));
    this.stdinClosed = new Promise((resolve) => {
      this.#resolveStdinClosed = resolve;
    });
    this.exited = exited
      // A worker that died has had its processes killed: how this one ended nobody knows.
      .catch((): ProcessExit => ({}))
      .then((exit) => {
        this.#finish();
        return exit;
      });
  }

  get unreadBytes(): number {
    return this.#stdin < 0 ? this.#unreadAtExit : this.#unsentBytes() + unreadBytesIn(this.#stdin);
  }

  get canObserveWaits(): boolean {
    return this.#stdinWait.canObserve;
  }

  isWaitingForInput(search: boolean): boolean {
    return this.#stdinWait.isWaiting(search);
  }

  write(bytes: Buffer): void {
    this.#unsent.push(bytes);
    if (this.#unsent.length === 1) this.#flush();
  }

  readAvailable(): void {
    while (this.#answers >= 0 && this.#readOnce() > 0);
  }

  closeStdin(): void {
    this.#ending = true;
    if (this.#unsent.length === 0) this.#closeInput();
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#port.postMessage(signal satisfies ActionLoopCommand);
  }

  #onStdin(events: number): void {
    if ((events & ERROR) !== 0) this.#onStdinClosed();
    else this.#flush();
  }

  #onStdinClosed(): void {
    // It would report the same in each turn.
    this.#unwatchStdin();
    this.#resolveStdinClosed();
  }

  #flush(): void {
    for (let bytes = this.#unsent[0]; bytes !== undefined; bytes = this.#unsent[0]) {
      const written = this.#stdin < 0 ? bytes.length : write(this.#stdin, bytes, bytes.length);
      if (written < 0) {
        const error = errno();
        if (error === constants.errno.EINTR) continue;
        if (error === constants.errno.EAGAIN) {
          this.#awaitRoom(true);
          return;
        }
        this.#onStdinClosed();
        break;
      }
      if (written < bytes.length) this.#unsent[0] = bytes.subarray(written);
      else this.#unsent.shift();
    }
    this.#awaitRoom(false);
    if (this.#ending) this.#closeInput();
  }

  #awaitRoom(awaitsRoom: boolean): void {
    if (this.#awaitsRoom === awaitsRoom || this.#stdinWatch === undefined) return;
    this.#awaitsRoom = awaitsRoom;
    this.#reactor.change(this.#stdinWatch, awaitsRoom ? WRITABLE : NOTHING_BUT_ERRORS);
  }

  /** @returns how many bytes came; 0 when there are none now, or the stream has ended and is closed */
  #readOnce(): number {
    const count = read(this.#answers, chunk, CHUNK_BYTES);
    if (count > 0) {
      this.#answered(chunk.subarray(0, count));
      return count;
    }
    const goesOn = count < 0 && (errno() === constants.errno.EAGAIN || errno() === constants.errno.EINTR);
    if (!goesOn) this.#closeAnswers();
    return 0;
  }

  #finish(): void {
    this.readAvailable();
    this.#closeAnswers();
    this.#unreadAtExit = this.#stdin < 0 ? this.#unsentBytes() : this.unreadBytes;
    this.#unsent.length = 0;
    this.#closeInput();
    this.#stdinWait.close();
    this.#port.close();
  }

  #unsentBytes(): number {
    return this.#unsent.reduce((sum, { length }) => sum + length, 0);
  }

  #closeAnswers(): void {
    if (this.#answers < 0) return;
    if (this.#readable !== undefined) this.#reactor.remove(this.#readable);
    this.#readable = undefined;
    close(this.#answers);
    this.#answers = -1;
  }

  #closeInput(): void {
    if (this.#stdin < 0) return;
    this.#unwatchStdin();
    close(this.#stdin);
    this.#stdin = -1;
  }

  #unwatchStdin(): void {
    if (this.#stdinWatch !== undefined) this.#reactor.remove(this.#stdinWatch);
    this.#stdinWatch = undefined;
  }
}
