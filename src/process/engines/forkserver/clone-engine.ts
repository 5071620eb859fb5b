import { constants } from 'node:os';
import { close, errno, errnoName, kill, pidfdOpen, write } from '../../libc.js';
import { NativeProcess } from '../../native-process.js';
import { type ActivationPipes, closeChildEnds, openPipes } from '../../pipes.js';
import { ALWAYS_FITS_BYTES } from '../../stdin-feed.js';
import type {
  ActionImage,
  ExecEngine,
  ProcessExit,
  ProcessObserver,
  StartOutcome,
  StartRequest,
} from '../engine.js';
import type { EngineContext } from './context.js';
import type { CloneOutcome } from './pending.js';
import type { Refusal } from './refusal.js';
import { hasNames, shapeFor } from './shape.js';
import { Spares } from './spares.js';
import type { Template } from './template.js';
import type { TemplateSource } from './template-source.js';

/**
 * Starts runs by cloning a template, wherever the templates come from.
 *
 * It refuses whatever it is not sure of; the next engine takes that.
 */
export class CloneEngine implements ExecEngine {
  readonly name = 'forkserver';
  readonly #context: EngineContext;
  readonly #waitsForTemplate: boolean;
  readonly #templates: TemplateSource;
  readonly #spares: Spares;
  #runs = 0;

  /** @param waitsForTemplate whether a run waits for its template to be made */
  constructor(context: EngineContext, templates: TemplateSource, waitsForTemplate: boolean) {
    this.#context = context;
    this.#templates = templates;
    this.#waitsForTemplate = waitsForTemplate;
    this.#spares = new Spares(context);
  }

  actionChanged(_action: ActionImage): void {
    this.letGo();
  }

  /** Lets all templates and all clones that wait go. */
  letGo(): void {
    this.#spares.letGo();
    this.#templates.drop();
  }

  /** Has a template made for runs like this one, as soon as there is time for it. */
  prepare(request: StartRequest): void {
    const shape = shapeFor(request);
    if (shape !== undefined && this.#templates.obstacle(request.action) === undefined)
      this.#templates.wish(request.action, shape);
  }

  /** Whether there is a template of this action. */
  hasTemplateOf(action: ActionImage): boolean {
    const { current } = this.#templates;
    return current?.alive === true && current.action === action;
  }

  start(request: StartRequest, observer: ProcessObserver): StartOutcome | Promise<StartOutcome> {
    this.#templates.noteRun();
    const template = this.#templateFor(request);
    if (typeof template === 'string') return this.#refuse(template);
    const pipes = openPipes(this.#context.owner);
    if (typeof pipes === 'number') return this.#refuse('busy');
    const { argument, variables } = request;
    const id = this.#context.nextId();
    const message = this.#context.block.run(id, template.shape, argument, variables, pipes.child);
    if (message === undefined) {
      closeAll(pipes);
      // It was asked before whether the strings fit; this is for what can't be.
      return this.#refuse('too_large');
    }
    const fed = feedAtOnce(pipes.stdin, argument);
    const [place, ...others] = pipes.child;
    return new Promise((resolve) => {
      const settle = (outcome: CloneOutcome): void => {
        // Its number is free for the pidfd: a clone that has begun and can't be watched must not be run again.
        close(place);
        if (outcome.kind === 'started') template.countRun();
        resolve(this.#outcome(outcome, template, request, observer, pipes, fed));
      };
      const sent = this.#spares.send(template, id, message, settle) || template.send(id, message, settle);
      this.#context.block.wipe();
      for (const fd of others) close(fd);
      if (sent) return;
      close(place);
      closeOurs(pipes, fed);
      resolve(this.#refuse('busy'));
    });
  }

  close(): void {
    this.#spares.letGo();
    this.#templates.close();
    this.#context.reaper.close();
    this.#context.patience.close();
  }

  /** The template for a run, or why there is none. */
  #templateFor(request: StartRequest): Template | Refusal {
    const { action, variables } = request;
    let current = this.#templates.current;
    let reason = this.#unfit(current, request);
    if (reason === 'other_names' && this.#templates.turnTo(variables)) {
      current = this.#templates.current;
      reason = this.#unfit(current, request);
    }
    if (reason === undefined && current !== undefined) {
      if (current.worn) this.#templates.wish(action, current.shape);
      return current;
    }
    const refusal = reason ?? 'no_template';
    const shape = shapeFor(request);
    if (shape === undefined) return 'too_large';
    const obstacle = this.#templates.obstacle(action);
    if (obstacle !== undefined) return obstacle;
    if (refusal === 'changed') this.letGo();
    if (this.#waitsForTemplate) {
      this.#spares.letGo();
      return this.#templates.make(action, shape) ?? 'unsuitable';
    }
    if (this.#templates.hasRoomFor(action, shape)) this.#templates.wish(action, shape);
    return refusal;
  }

  #unfit(template: Template | undefined, { action, argument, variables }: StartRequest): Refusal | undefined {
    if (template === undefined || !template.alive || template.action !== action) return 'no_template';
    if (!hasNames(template.shape, variables)) return 'other_names';
    if (!fits(template, argument, variables)) return 'too_large';
    return template.built.identity.unchanged() ? undefined : 'changed';
  }

  #refuse(reason: Refusal): StartOutcome {
    this.#context.stats.refused(reason);
    return { kind: 'refused', reason };
  }

  #outcome(
    outcome: CloneOutcome,
    template: Template,
    request: StartRequest,
    observer: ProcessObserver,
    pipes: ActivationPipes,
    fed: boolean,
  ): StartOutcome {
    if (outcome.kind !== 'started') {
      closeOurs(pipes, fed);
      if (outcome.kind === 'altered') this.letGo();
      return this.#refuse(outcome.kind);
    }
    const { pid } = outcome;
    const pidfd = outcome.pidfd ?? this.#openPidfd(pid);
    if (pidfd < 0) {
      const name = errnoName(errno());
      kill(-pid, constants.signals.SIGKILL);
      kill(pid, constants.signals.SIGKILL);
      this.#context.reaper.expectEnd(pid);
      closeOurs(pipes, fed);
      return { kind: 'killed', errno: name };
    }
    this.#runs++;
    this.#context.stats.add('clonesStarted');
    const child = {
      pid,
      pidfd,
      stdin: fed ? -1 : pipes.stdin,
      stdout: pipes.stdout,
      stderr: pipes.stderr,
      reaped: (exit: ProcessExit) => {
        this.#runs--;
        if (template.noteEnd(exit)) this.#giveUp(template);
        // After a rush there may be none; the answer goes first.
        if (this.#runs === 0 && this.#spares.missing) setImmediate(() => this.#adaptSpares());
      },
    };
    const { reactor, ledger } = this.#context;
    const process = new NativeProcess(reactor, ledger, child, request.argument, observer);
    // A single caller's clone is replaced when its run has ended: until then the processors have better to do.
    if (this.#runs > 1) this.#adaptSpares();
    return { kind: 'started', process };
  }

  #giveUp(template: Template): void {
    this.#context.stats.add('templatesGivenUp');
    this.#spares.letGo();
    this.#templates.giveUp(template);
  }

  #adaptSpares(): void {
    const template = this.#templates.current;
    if (template?.alive) this.#spares.adapt(template, this.#runs);
  }

  #openPidfd(pid: number): number {
    const pidfd = pidfdOpen(pid);
    const { limit } = this.#context;
    return pidfd < 0 && limit !== undefined ? limit.raised(() => pidfdOpen(pid)) : pidfd;
  }
}

/** Whether the strings fit what the template reserves. Bytes are counted only where the count of letters leaves doubt. */
function fits({ shape }: Template, argument: Buffer, variables: StartRequest['variables']): boolean {
  if (argument.length + 1 > shape.argumentRoom) return false;
  let letters = 0;
  for (const [name, value] of variables) letters += name.length + value.length + 2;
  if (3 * letters <= shape.variablesRoom) return true;
  let bytes = 0;
  for (const [name, value] of variables) bytes += Buffer.byteLength(name) + Buffer.byteLength(value) + 2;
  return bytes <= shape.variablesRoom;
}

/** Writes arguments that fit any pipe before anybody reads: a clone that starts finds them there. */
function feedAtOnce(stdin: number, argument: Buffer): boolean {
  if (argument.length > ALWAYS_FITS_BYTES) return false;
  if (argument.length > 0 && write(stdin, argument, argument.length) !== argument.length) return false;
  close(stdin);
  return true;
}

function closeOurs({ stdin, stdout, stderr }: ActivationPipes, fed: boolean): void {
  if (!fed) close(stdin);
  close(stdout);
  close(stderr);
}

function closeAll(pipes: ActivationPipes): void {
  closeChildEnds(pipes);
  closeOurs(pipes, false);
}
