import { constants } from 'node:os';
import {
  close,
  errno,
  errnoName,
  fchown,
  kill,
  O_CLOEXEC,
  pidfdOpen,
  pipe2,
  write,
} from '../../../os/libc.js';
import { killUnsupervised, NativeProcess } from '../../../os/native-process.js';
import { type ActivationPipes, closeChildEnds, openPipes, setNonBlocking } from '../../../os/pipes.js';
import type { Rights } from '../../../os/rights.js';
import type { ProcessObserver, RunningProcess } from '../../../os/running-process.js';
import { lacksDescriptors } from '../../../os/spawner.js';
import { MIN_PIPE_BYTES } from '../../../os/stdin-writer.js';
import type { ProcessExit } from '../../../protocol/answer.js';
import type { RefusalReason } from '../../errors.js';
import type { CloneOutcome } from '../ipc/start-timeouts.js';
import { PrewarmPool } from '../prewarm-pool.js';
import type { Template } from '../templates/template.js';
import type { IsolatedImage } from './loading-process.js';
import { type WaitingTemplateParts, WaitingTemplates } from './templates.js';

const ends = new Int32Array(2);
/** What a started program has open: its streams, and the descriptor of the answers. */
const DESCRIPTORS = 4;

/** What became of an attempt to start. */
export type IsolatedOutcome =
  | { readonly kind: 'started' }
  | { readonly kind: 'failed' | 'killed'; readonly errno: string };

/** Gets what a process does; told first that it runs. */
export interface IsolatedObserver extends ProcessObserver {
  /** @param refusal why it is no clone, in words; undefined where it is one, or none was wanted */
  started(process: RunningProcess, engine: 'forkserver' | 'posix_spawn', refusal?: string): void;
}

/** The pipes of an activation, with that of the answers. */
interface IsolatedPipes {
  readonly streams: ActivationPipes;
  readonly answers: number;
  readonly child: readonly number[];
}

/** What a thread starts isolated activations with. */
export interface IsolatedEngineParts extends WaitingTemplateParts {
  readonly rights: Rights | undefined;
  /** Whether activations may be clones. */
  readonly clones: boolean;
}

/**
 * Starts a process for each activation of an ActionLoop action: a clone of one that waits for its first line, or where
 * that can't be had a new one.
 */
export class IsolatedEngine {
  readonly templates: WaitingTemplates;
  readonly parts: IsolatedEngineParts;
  readonly #prewarmPool: PrewarmPool;
  #runs = 0;

  constructor(parts: IsolatedEngineParts) {
    this.parts = parts;
    this.templates = new WaitingTemplates(parts);
    this.#prewarmPool = new PrewarmPool(parts.context);
  }

  /**
   * Begins an activation. Never throws for what the action or the system does.
   *
   * @param line what it reads
   */
  async start(image: IsolatedImage, line: Buffer, observer: IsolatedObserver): Promise<IsolatedOutcome> {
    if (!this.parts.clones) return this.#spawn(image, line, observer, undefined);
    const template = await this.templates.acquire(image);
    if ('reason' in template) {
      this.parts.context.stats.recordRefusal(template.reason);
      return this.#spawn(image, line, observer, `${template.reason}: ${template.detail}`);
    }
    const outcome = await this.#clone(template, line, observer);
    if (typeof outcome !== 'string') return outcome;
    this.parts.context.stats.recordRefusal(outcome);
    return this.#spawn(image, line, observer, outcome);
  }

  /** Lets the template of an image go. */
  forgetImage(folder: string): void {
    this.templates.forgetImage(folder);
    if (this.templates.current === undefined) this.#prewarmPool.discardAll();
  }

  close(): void {
    const { context } = this.parts;
    this.#prewarmPool.discardAll();
    this.templates.close();
    context.reaper.close();
    context.startTimeouts.close();
  }

  #openPipes(): IsolatedPipes | number {
    const { spawner } = this.parts;
    const streams = openPipes(spawner.owner);
    if (typeof streams === 'number') return streams;
    if (pipe2(ends, O_CLOEXEC) !== 0) {
      const error = errno();
      closeChildEnds(streams);
      closeOurs({ streams, answers: -1, child: [] });
      return error;
    }
    const [answers, theirs] = ends as unknown as [number, number];
    setNonBlocking(answers);
    if (spawner.owner !== undefined) fchown(answers, spawner.owner.uid, spawner.owner.gid);
    return { streams, answers, child: [...streams.child, theirs] };
  }

  /** @returns a word where no clone has begun, nor ever will */
  #clone(
    template: Template,
    line: Buffer,
    observer: IsolatedObserver,
  ): Promise<IsolatedOutcome | RefusalReason> {
    const pipes = this.#openPipes();
    if (typeof pipes === 'number') return Promise.resolve('busy');
    const { block, nextId } = this.parts.context;
    const id = nextId();
    const rest = writeNow(pipes.streams.stdin, line);
    const message = block.encodeWaiting(id, pipes.child);
    const [place = -1, ...others] = pipes.child;
    return new Promise((resolve) => {
      const settle = (outcome: CloneOutcome): void => {
        // Its number is free for the pidfd: a clone that has begun and can't be watched must not be run again.
        close(place);
        if (outcome.kind === 'started') template.recordStart();
        resolve(this.#outcome(outcome, template, rest, observer, pipes));
      };
      const sent =
        this.#prewarmPool.trySend(template, id, message, settle) || template.send(id, message, settle);
      for (const fd of others) close(fd);
      if (sent) return;
      close(place);
      closeOurs(pipes);
      resolve('busy');
    });
  }

  #outcome(
    outcome: CloneOutcome,
    template: Template,
    line: Buffer,
    observer: IsolatedObserver,
    pipes: IsolatedPipes,
  ): IsolatedOutcome | RefusalReason {
    const { context } = this.parts;
    if (outcome.kind !== 'started') {
      closeOurs(pipes);
      this.#prewarmPool.discardAll();
      if (outcome.kind !== 'lost')
        this.templates.giveUp(template, { reason: outcome.kind, detail: REFUSED_CLONES[outcome.kind] });
      return outcome.kind;
    }
    const { pid } = outcome;
    const pidfd = outcome.pidfd ?? pidfdOpen(pid);
    if (pidfd < 0) {
      const name = errnoName(errno());
      kill(-pid, constants.signals.SIGKILL);
      kill(pid, constants.signals.SIGKILL);
      context.reaper.watchChild(pid);
      closeOurs(pipes);
      return { kind: 'killed', errno: name };
    }
    this.#runs++;
    context.stats.add('clonesStarted');
    const reaped = (exit: ProcessExit): void => {
      this.#runs--;
      if (template.recordExit(exit)) {
        context.stats.add('templatesGivenUp');
        this.#prewarmPool.discardAll();
        this.templates.giveUp(template, { reason: 'given_up', detail: 'its clones end by faults' });
      }
      // After a rush there may be none; the answer goes first.
      if (this.#runs === 0 && this.#prewarmPool.isBelowTarget) setImmediate(() => this.#adjust());
    };
    const process = this.#supervise(pid, pidfd, pipes, line, observer, reaped);
    if (this.#runs > 1) this.#adjust();
    observer.started(process, 'forkserver');
    return { kind: 'started' };
  }

  #adjust(): void {
    const template = this.templates.current;
    if (template?.isAlive) this.#prewarmPool.adjust(template, this.#runs);
  }

  #spawn(
    image: IsolatedImage,
    line: Buffer,
    observer: IsolatedObserver,
    refusal: string | undefined,
  ): IsolatedOutcome {
    const { spawner } = this.parts;
    const pipes = spawner.withDescriptors(() => this.#openPipes(), lacksDescriptors);
    if (typeof pipes === 'number') return { kind: 'failed', errno: errnoName(pipes) };
    const block = spawner.createArgvEnvBlock(DESCRIPTORS);
    const action = { exec: image.exec, folder: '', environment: image.environment };
    const pid = spawner.spawnProgram({
      path: image.exec,
      strings: block.pack({ action, variables: [] }),
      descriptors: pipes.child,
    });
    block.close();
    for (const fd of pipes.child) close(fd);
    if (pid < 0) {
      closeOurs(pipes);
      return { kind: 'failed', errno: errnoName(-pid) };
    }
    const pidfd = spawner.withDescriptors(
      () => pidfdOpen(pid),
      (fd) => fd < 0,
    );
    if (pidfd < 0) {
      const name = errnoName(errno());
      killUnsupervised(pid);
      closeOurs(pipes);
      return { kind: 'killed', errno: name };
    }
    const process = this.#supervise(pid, pidfd, pipes, line, observer, undefined);
    observer.started(process, 'posix_spawn', refusal);
    return { kind: 'started' };
  }

  #supervise(
    pid: number,
    pidfd: number,
    { streams, answers }: IsolatedPipes,
    line: Buffer,
    observer: IsolatedObserver,
    reaped: ((exit: ProcessExit) => void) | undefined,
  ): NativeProcess {
    const { reactor, resourceTable } = this.parts;
    const { stdin, stdout, stderr } = streams;
    const child = { pid, pidfd, stdin, stdout, stderr, answers, ...(reaped && { reaped }) };
    return new NativeProcess(reactor, resourceTable, child, line, observer);
  }
}

const REFUSED_CLONES = {
  altered:
    'its limits, priority or CPUs are not those that it was given, or a file of it could not be opened again',
  not_cloned: 'clone(2) failed in it, or a file of it could not be opened again',
};

/** Writes a line that fits any pipe before anybody reads. @returns what is left to write */
function writeNow(stdin: number, line: Buffer): Buffer {
  if (line.length > MIN_PIPE_BYTES) return line;
  const written = write(stdin, line, line.length);
  return written < 0 ? line : line.subarray(written);
}

function closeOurs({ streams, answers }: IsolatedPipes): void {
  for (const fd of [streams.stdin, streams.stdout, streams.stderr]) close(fd);
  if (answers >= 0) close(answers);
}
