import { constants } from 'node:os';
import type { ActionImage } from '../../os/action-image.js';
import { close, errno, errnoName, kill, pidfdOpen, write } from '../../os/libc.js';
import { NativeProcess } from '../../os/native-process.js';
import { type ActivationPipes, closeChildEnds, openPipes } from '../../os/pipes.js';
import type { ProcessObserver } from '../../os/running-process.js';
import { MIN_PIPE_BYTES } from '../../os/stdin-writer.js';
import type { ProcessExit } from '../../protocol/answer.js';
import type { ExecEngine, StartOutcome, StartRequest } from '../engine.js';
import type { RefusalReason } from '../errors.js';
import { hasNames, layoutFor } from './build/string-layout.js';
import type { ForkserverContext } from './ipc/context.js';
import type { CloneOutcome } from './ipc/start-timeouts.js';
import { PrewarmPool } from './prewarm-pool.js';
import type { TemplateManager } from './templates/manager.js';
import type { Template } from './templates/template.js';

/**
 * Starts runs by cloning a template, wherever the templates come from.
 *
 * It refuses whatever it is not sure of; the next engine takes that.
 */
export class CloneEngine implements ExecEngine {
  readonly name = 'forkserver';
  readonly #context: ForkserverContext;
  readonly #waitsForTemplate: boolean;
  readonly #templates: TemplateManager;
  readonly #prewarmPool: PrewarmPool;
  #runs = 0;

  /** @param waitsForTemplate whether a run waits for its template to be made */
  constructor(context: ForkserverContext, templates: TemplateManager, waitsForTemplate: boolean) {
    this.#context = context;
    this.#templates = templates;
    this.#waitsForTemplate = waitsForTemplate;
    this.#prewarmPool = new PrewarmPool(context);
  }

  actionChanged(_action: ActionImage): void {
    this.discardAll();
  }

  /** Lets all templates and all prewarmed clones go. */
  discardAll(): void {
    this.#prewarmPool.discardAll();
    this.#templates.clear();
  }

  /** Has a template made for runs like this one, as soon as there is time for it. */
  prepare(request: StartRequest): void {
    const shape = layoutFor(request);
    if (shape !== undefined && this.#templates.unavailableReason(request.action) === undefined)
      this.#templates.request(request.action, shape);
  }

  /** Whether there is a template of this action. */
  hasTemplateOf(action: ActionImage): boolean {
    const { current } = this.#templates;
    return current?.isAlive === true && current.action === action;
  }

  start(request: StartRequest, observer: ProcessObserver): StartOutcome | Promise<StartOutcome> {
    this.#templates.recordStart();
    const template = this.#templateFor(request);
    if (typeof template === 'string') return this.#refuse(template);
    const pipes = openPipes(this.#context.owner);
    if (typeof pipes === 'number') return this.#refuse('busy');
    const { argument, variables } = request;
    const id = this.#context.nextId();
    const message = this.#context.block.encodeRun(id, template.layout, argument, variables, pipes.child);
    if (message === undefined) {
      closeAll(pipes);
      // It was asked before whether the strings fit; this is for what can't be.
      return this.#refuse('too_large');
    }
    const isStdinWritten = writeStdinNow(pipes.stdin, argument);
    const [place, ...others] = pipes.child;
    return new Promise((resolve) => {
      const settle = (outcome: CloneOutcome): void => {
        // Its number is free for the pidfd: a clone that has begun and can't be watched must not be run again.
        close(place);
        if (outcome.kind === 'started') template.recordStart();
        resolve(this.#outcome(outcome, template, request, observer, pipes, isStdinWritten));
      };
      const sent =
        this.#prewarmPool.trySend(template, id, message, settle) || template.send(id, message, settle);
      this.#context.block.wipe();
      for (const fd of others) close(fd);
      if (sent) return;
      close(place);
      closeServerEnds(pipes, isStdinWritten);
      resolve(this.#refuse('busy'));
    });
  }

  close(): void {
    this.#prewarmPool.discardAll();
    this.#templates.close();
    this.#context.reaper.close();
    this.#context.startTimeouts.close();
  }

  /** The template for a run, or why there is none. */
  #templateFor(request: StartRequest): Template | RefusalReason {
    const { action, variables } = request;
    let current = this.#templates.current;
    let reason = this.#mismatch(current, request);
    if (reason === 'other_names' && this.#templates.select(variables)) {
      current = this.#templates.current;
      reason = this.#mismatch(current, request);
    }
    if (reason === undefined && current !== undefined) {
      if (current.isExpired) this.#templates.request(action, current.layout);
      return current;
    }
    const refusal = reason ?? 'no_template';
    const shape = layoutFor(request);
    if (shape === undefined) return 'too_large';
    const unavailable = this.#templates.unavailableReason(action);
    if (unavailable !== undefined) return unavailable;
    if (refusal === 'changed') this.discardAll();
    if (this.#waitsForTemplate) {
      this.#prewarmPool.discardAll();
      return this.#templates.build(action, shape) ?? 'unsuitable';
    }
    if (this.#templates.hasCapacityFor(action, shape)) this.#templates.request(action, shape);
    return refusal;
  }

  #mismatch(
    template: Template | undefined,
    { action, argument, variables }: StartRequest,
  ): RefusalReason | undefined {
    if (template === undefined || !template.isAlive || template.action !== action) return 'no_template';
    if (!hasNames(template.layout, variables)) return 'other_names';
    if (!fitsLayout(template, argument, variables)) return 'too_large';
    return template.built.dependencies.isUnchanged() ? undefined : 'changed';
  }

  #refuse(reason: RefusalReason): StartOutcome {
    this.#context.stats.recordRefusal(reason);
    return { kind: 'refused', reason };
  }

  #outcome(
    outcome: CloneOutcome,
    template: Template,
    request: StartRequest,
    observer: ProcessObserver,
    pipes: ActivationPipes,
    isStdinWritten: boolean,
  ): StartOutcome {
    if (outcome.kind !== 'started') {
      closeServerEnds(pipes, isStdinWritten);
      if (outcome.kind === 'altered') this.discardAll();
      return this.#refuse(outcome.kind);
    }
    const { pid } = outcome;
    const pidfd = outcome.pidfd ?? this.#openPidfd(pid);
    if (pidfd < 0) {
      const name = errnoName(errno());
      kill(-pid, constants.signals.SIGKILL);
      kill(pid, constants.signals.SIGKILL);
      this.#context.reaper.watchChild(pid);
      closeServerEnds(pipes, isStdinWritten);
      return { kind: 'killed', errno: name };
    }
    this.#runs++;
    this.#context.stats.add('clonesStarted');
    const child = {
      pid,
      pidfd,
      stdin: isStdinWritten ? -1 : pipes.stdin,
      stdout: pipes.stdout,
      stderr: pipes.stderr,
      reaped: (exit: ProcessExit) => {
        this.#runs--;
        if (template.recordExit(exit)) this.#disable(template);
        // After a rush there may be none; the answer goes first.
        if (this.#runs === 0 && this.#prewarmPool.isBelowTarget) setImmediate(() => this.#adjustPrewarmed());
      },
    };
    const { reactor, resourceTable } = this.#context;
    const process = new NativeProcess(reactor, resourceTable, child, request.argument, observer);
    // A single caller's clone is replaced when its run has ended: until then the processors have better to do.
    if (this.#runs > 1) this.#adjustPrewarmed();
    return { kind: 'started', process };
  }

  #disable(template: Template): void {
    this.#context.stats.add('templatesGivenUp');
    this.#prewarmPool.discardAll();
    this.#templates.disable(template);
  }

  #adjustPrewarmed(): void {
    const template = this.#templates.current;
    if (template?.isAlive) this.#prewarmPool.adjust(template, this.#runs);
  }

  #openPidfd(pid: number): number {
    const pidfd = pidfdOpen(pid);
    const { nofileLimit } = this.#context;
    return pidfd < 0 && nofileLimit !== undefined ? nofileLimit.withRaised(() => pidfdOpen(pid)) : pidfd;
  }
}

/** Whether the strings fit what the template reserves. Bytes are counted only where the count of letters leaves doubt. */
function fitsLayout({ layout }: Template, argument: Buffer, variables: StartRequest['variables']): boolean {
  if (argument.length + 1 > layout.argumentCapacityBytes) return false;
  let letters = 0;
  for (const [name, value] of variables) letters += name.length + value.length + 2;
  if (3 * letters <= layout.variablesCapacityBytes) return true;
  let bytes = 0;
  for (const [name, value] of variables) bytes += Buffer.byteLength(name) + Buffer.byteLength(value) + 2;
  return bytes <= layout.variablesCapacityBytes;
}

/** Writes arguments that fit any pipe before anybody reads: a clone that starts finds them there. */
function writeStdinNow(stdin: number, argument: Buffer): boolean {
  if (argument.length > MIN_PIPE_BYTES) return false;
  if (argument.length > 0 && write(stdin, argument, argument.length) !== argument.length) return false;
  close(stdin);
  return true;
}

function closeServerEnds({ stdin, stdout, stderr }: ActivationPipes, isStdinWritten: boolean): void {
  if (!isStdinWritten) close(stdin);
  close(stdout);
  close(stderr);
}

function closeAll(pipes: ActivationPipes): void {
  closeChildEnds(pipes);
  closeServerEnds(pipes, false);
}
