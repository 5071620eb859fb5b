import { constants } from 'node:os';
import type { Ledger } from '../../ledger.js';
import { close, errno, errnoName, kill, pidfdOpen, write } from '../../libc.js';
import { NativeProcess } from '../../native-process.js';
import type { LoweredLimit } from '../../open-files.js';
import { type ActivationPipes, closeChildEnds, openPipes } from '../../pipes.js';
import type { Reactor } from '../../reactor.js';
import { ALWAYS_FITS_BYTES } from '../../stdin-feed.js';
import type { ActionImage, ExecEngine, ProcessObserver, StartOutcome, StartRequest } from '../engine.js';
import { type Arch, hostArch } from './arch/arch.js';
import { Channels } from './channels.js';
import type { EngineContext } from './context.js';
import { explain } from './explain.js';
import { type CloneOutcome, Patience } from './pending.js';
import { Reaper } from './reaper.js';
import { type Refusal, TooSlow, Unsuitable } from './refusal.js';
import { RequestBlock } from './request-codec.js';
import { selfTest } from './self-test.js';
import { Launcher } from './set-up/launch.js';
import { hasNames, shapeFor } from './shape.js';
import { Spares } from './spares.js';
import type { StatsWriter } from './stats.js';
import type { Template } from './template.js';
import { Workshop } from './workshop.js';

/** What the engine is made with. */
export interface ForkserverOptions {
  readonly reactor: Reactor;
  readonly ledger: Ledger;
  /** The limit on open files that actions get; undefined: the server's own. */
  readonly limit: LoweredLimit | undefined;
  readonly stats: StatsWriter;
  /** Whether a run waits for its template to be made, instead of leaving it to the next engine meanwhile. */
  readonly waitsForTemplate: boolean;
  /** After so many runs the template is made anew, for another layout of the address space; default 10,000. */
  readonly mostRuns?: number;
}

const MOST_RUNS = 10_000;

/**
 * Starts the action once, stops it before any code of its author has run, and clones it for each activation: no
 * execve, no loader, no C library's start. docs/engines.md has the whole story.
 *
 * It refuses whatever it is not sure of; the next engine takes that.
 */
export class ForkserverEngine implements ExecEngine {
  readonly name = 'forkserver';
  readonly #context: EngineContext;
  readonly #waitsForTemplate: boolean;
  readonly #workshop: Workshop;
  readonly #spares: Spares;
  #runs = 0;

  /** @throws Unsuitable when this machine has no such engine */
  constructor(options: ForkserverOptions) {
    const { reactor, ledger, limit, stats, waitsForTemplate } = options;
    const arch = archOrThrow();
    let serial = 0;
    this.#context = {
      arch,
      reactor,
      ledger,
      limit,
      stats,
      mostRuns: options.mostRuns ?? MOST_RUNS,
      launcher: new Launcher(arch, ledger, limit),
      block: new RequestBlock(),
      channels: new Channels(),
      reaper: new Reaper(reactor, ledger),
      patience: new Patience(),
      examine: () => this.examine(),
      nextId: () => {
        serial = (serial + 1) >>> 0;
        return serial;
      },
    };
    this.#waitsForTemplate = waitsForTemplate;
    this.#workshop = new Workshop(this.#context);
    this.#spares = new Spares(this.#context);
  }

  /**
   * Makes the self-test, unless a worker of this server has made it. Takes some milliseconds; without this it is made
   * before the first template.
   *
   * @returns why the engine can't be used here; empty when it can
   */
  examine(): string {
    const { launcher, stats } = this.#context;
    if (stats.selfTest === undefined) {
      try {
        selfTest(launcher);
        stats.noteSelfTest('');
      } catch (error) {
        // Another attempt may do; nothing is known of this machine yet.
        if (error instanceof TooSlow) return error.message;
        stats.noteSelfTest(explain(error));
      }
    }
    return stats.selfTest?.reason ?? '';
  }

  /** What starts its templates, for whoever makes one by hand. */
  get launcher(): Launcher {
    return this.#context.launcher;
  }

  actionChanged(_action: ActionImage): void {
    this.#spares.letGo();
    this.#workshop.drop();
  }

  /** Has a template made for runs like this one, as soon as the thread has a moment. */
  prepare(request: StartRequest): void {
    const shape = shapeFor(request);
    if (shape !== undefined) this.#workshop.wish(request.action, shape);
  }

  start(request: StartRequest, observer: ProcessObserver): StartOutcome | Promise<StartOutcome> {
    this.#workshop.noteRun();
    const template = this.#templateFor(request);
    if (typeof template === 'string') return this.#refuse(template);
    const pipes = openPipes();
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
    return new Promise((resolve) => {
      const settle = (outcome: CloneOutcome): void => {
        if (outcome.kind === 'started') template.countRun();
        resolve(this.#outcome(outcome, request, observer, pipes, fed));
      };
      const sent = this.#spares.send(template, id, message, settle) || template.send(id, message, settle);
      closeChildEnds(pipes);
      if (sent) return;
      closeOurs(pipes, fed);
      resolve(this.#refuse('busy'));
    });
  }

  close(): void {
    this.#spares.letGo();
    this.#workshop.close();
    this.#context.reaper.close();
    this.#context.patience.close();
    this.#context.launcher.close();
  }

  /** The template for a run, or why there is none. */
  #templateFor(request: StartRequest): Template | Refusal {
    const { action, variables } = request;
    let current = this.#workshop.current;
    let reason = this.#unfit(current, request);
    if (reason === 'other_names' && this.#workshop.turnTo(variables)) {
      current = this.#workshop.current;
      reason = this.#unfit(current, request);
    }
    if (reason === undefined && current !== undefined) {
      if (current.worn) this.#workshop.wish(action, current.shape);
      return current;
    }
    const refusal = reason ?? 'no_template';
    const shape = shapeFor(request);
    if (shape === undefined) return 'too_large';
    if (this.#workshop.obstacle(action) !== undefined) return 'unsuitable';
    if (refusal === 'changed') {
      this.#spares.letGo();
      this.#workshop.drop();
    }
    if (this.#waitsForTemplate) {
      this.#spares.letGo();
      return this.#workshop.make(action, shape) ?? 'unsuitable';
    }
    this.#workshop.wish(action, shape);
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
    request: StartRequest,
    observer: ProcessObserver,
    pipes: ActivationPipes,
    fed: boolean,
  ): StartOutcome {
    if (outcome.kind !== 'started') {
      closeOurs(pipes, fed);
      return this.#refuse(outcome.kind);
    }
    const { pid } = outcome;
    const pidfd = outcome.pidfd ?? this.#openPidfd(pid);
    if (pidfd < 0) {
      const name = errnoName(errno());
      kill(-pid, constants.signals.SIGKILL);
      this.#context.reaper.expectEnd(pid);
      closeOurs(pipes, fed);
      return { kind: 'failed', errno: name };
    }
    this.#runs++;
    this.#context.stats.add('clonesStarted');
    const child = {
      pid,
      pidfd,
      stdin: fed ? -1 : pipes.stdin,
      stdout: pipes.stdout,
      stderr: pipes.stderr,
      reaped: () => {
        this.#runs--;
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

  #adaptSpares(): void {
    const template = this.#workshop.current;
    if (template?.alive) this.#spares.adapt(template, this.#runs);
  }

  #openPidfd(pid: number): number {
    const pidfd = pidfdOpen(pid);
    const { limit } = this.#context;
    return pidfd < 0 && limit !== undefined ? limit.raised(() => pidfdOpen(pid)) : pidfd;
  }
}

function archOrThrow(): Arch {
  const arch = hostArch();
  if (arch === undefined) throw new Unsuitable(`there is no code for the processor ${process.arch}`);
  return arch;
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
