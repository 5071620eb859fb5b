import { readFileSync } from 'node:fs';
import type { ActionImage } from '../../../os/action-image.js';
import { asServerUser, type FileScope } from '../../../os/file-scope.js';
import { readFromStart } from '../../../os/libc.js';
import type { Rights } from '../../../os/rights.js';
import { READS_ONLY, StdinWaitDetector, stdinWaitOf } from '../../../os/stdin-wait.js';
import { readAcknowledgement } from '../../../protocol/actionloop/acknowledgement.js';
import { messageOf } from '../../../protocol/message-of.js';
import type { RefusalReason } from '../../errors.js';
import { TemplateDependencies } from '../build/dependencies.js';
import { InheritedAttributes } from '../build/inherited-attributes.js';
import { attributesOf } from '../build/launch.js';
import type { ForkserverContext } from '../ipc/context.js';
import { Template } from '../templates/template.js';
import { freezeWaiting } from './freeze.js';
import { type IsolatedImage, type LoadingParts, LoadingProcess } from './loading-process.js';

/** How often it is looked whether a process waits for its first line: soon at first, then less often. */
const MIN_PAUSE_MS = 1;
const MAX_PAUSE_MS = 10;
/** One that waits for events for so long is an event loop. */
const EVENT_LOOP_MS = 300;
const MIN_BACK_OFF_MS = 1000;
const MAX_BACK_OFF_MS = 60_000;
const NO_STRINGS = { names: [], argumentCapacityBytes: 0, variablesCapacityBytes: 0 };

/** Why there is no template. */
export interface NoTemplate {
  readonly reason: RefusalReason;
  /** In words, for the operator. */
  readonly detail: string;
}

/** What a thread makes such templates with. */
export interface WaitingTemplateParts extends LoadingParts {
  readonly context: ForkserverContext;
  /** Why the engine can't be used here; empty where it can. Makes the self-test where nobody has. */
  readonly selfTest: () => string;
  readonly rights: Rights | undefined;
  readonly scope: FileScope | undefined;
  /** Whether processes acknowledge their start on descriptor 3 (C-AL-10). */
  readonly acknowledges: boolean;
  /** A process that does not wait for its first line after so long is no template. */
  readonly maxLoadMs: number;
}

/** The template of a thread for an isolated action: one process, made anew when it has served long. */
export class WaitingTemplates {
  readonly #parts: WaitingTemplateParts;
  #image: IsolatedImage | undefined;
  /** What {@link Template} knows the image by. */
  #action: ActionImage = { exec: '', folder: '', environment: [] };
  #template: Template | undefined;
  #loading: Promise<void> | undefined;
  #loadingProcess: LoadingProcess | undefined;
  #refusal: (NoTemplate & { readonly untilMs: number }) | undefined;
  #failures = 0;
  #closed = false;

  constructor(parts: WaitingTemplateParts) {
    this.#parts = parts;
  }

  /** The template of an image, as soon as it is there. @returns why there is none where there will be none now */
  async acquire(image: IsolatedImage): Promise<Template | NoTemplate> {
    this.#use(image);
    const ready = this.#ready();
    if (ready !== undefined) return ready;
    if (this.#refusal !== undefined && performance.now() < this.#refusal.untilMs) return this.#refusal;
    this.#loading ??= this.#load(undefined);
    await this.#loading;
    if (this.#image?.folder !== image.folder) return { reason: 'changed', detail: 'the action was replaced' };
    return this.#ready() ?? this.#refusal ?? { reason: 'no_template', detail: 'it has ended' };
  }

  /**
   * Makes the template of a process that the init has started and that may be given work.
   */
  adopt(image: IsolatedImage, process: LoadingProcess): void {
    this.#use(image);
    this.#loading ??= this.#load(process);
  }

  /** Clones end by faults, or can't begin: none for a while. */
  giveUp(template: Template, refusal: NoTemplate): void {
    if (this.#template !== template) return;
    this.#retire();
    this.#refuse(refusal);
  }

  /** Lets the template of an image go. */
  forgetImage(folder: string): void {
    if (this.#image?.folder === folder) this.#forget();
  }

  close(): void {
    this.#closed = true;
    this.#forget();
  }

  get current(): Template | undefined {
    return this.#template;
  }

  #forget(): void {
    this.#image = undefined;
    this.#loadingProcess?.kill();
    this.#loadingProcess = undefined;
    this.#loading = undefined;
    this.#refusal = undefined;
    this.#failures = 0;
    this.#retire();
  }

  #use(image: IsolatedImage): void {
    if (this.#image?.folder === image.folder) return;
    this.#forget();
    this.#image = image;
    this.#action = { exec: image.exec, folder: image.folder, environment: image.environment };
  }

  #ready(): Template | undefined {
    const template = this.#template;
    if (template === undefined || !template.isAlive) return undefined;
    if (!template.built.dependencies.isUnchanged()) {
      this.#retire();
      return undefined;
    }
    // The old one serves until there is another.
    if (template.isExpired && !this.#isBackingOff) this.#loading ??= this.#load(undefined);
    return template;
  }

  get #isBackingOff(): boolean {
    return this.#refusal !== undefined && performance.now() < this.#refusal.untilMs;
  }

  #retire(): void {
    this.#template?.retire();
    this.#template = undefined;
    this.#parts.context.stats.setWaitingTemplate(undefined);
  }

  #refuse(refusal: NoTemplate): void {
    const backOffMs = Math.min(MIN_BACK_OFF_MS * 2 ** this.#failures++, MAX_BACK_OFF_MS);
    this.#refusal = { ...refusal, untilMs: performance.now() + backOffMs };
  }

  /** Never rejects: what went wrong is the refusal. */
  async #load(started: LoadingProcess | undefined): Promise<void> {
    const image = this.#image as IsolatedImage;
    let process: LoadingProcess | undefined;
    try {
      const problem = this.#parts.selfTest();
      if (problem !== '') throw new Error(problem);
      const loading = started ?? LoadingProcess.start(image, this.#parts);
      if (typeof loading === 'string') throw new Error(`it can't be started: ${loading}`);
      process = loading;
      this.#loadingProcess = loading;
      await this.#untilWaiting(loading);
      if (this.#image !== image || this.#closed) throw new Error('the action was replaced');
      this.#freeze(image, loading);
      this.#refusal = undefined;
      this.#failures = 0;
    } catch (error) {
      (process ?? started)?.kill();
      if (this.#image !== image) return;
      this.#parts.context.stats.add('templatesFailed');
      this.#refuse({ reason: 'unsuitable', detail: messageOf(error) });
    } finally {
      if (this.#loadingProcess === process) this.#loadingProcess = undefined;
      if (this.#image === image) this.#loading = undefined;
    }
  }

  async #untilWaiting({ child }: LoadingProcess): Promise<void> {
    let hasExited = false;
    void child.exited.then(() => {
      hasExited = true;
    });
    const begunMs = performance.now();
    let pollingSinceMs: number | undefined;
    const { scope = asServerUser } = this.#parts;
    for (let pauseMs = MIN_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      const wait = scope(() => stdinWaitOf(child.pid));
      if (wait === 'read') return;
      if (pauseMs === MAX_PAUSE_MS && scope(() => isReadByAnother(child.pid)))
        throw new Error('another thread or process reads its standard input');
      const nowMs = performance.now();
      if (wait !== 'poll') pollingSinceMs = undefined;
      else pollingSinceMs ??= nowMs;
      if (pollingSinceMs !== undefined && nowMs - pollingSinceMs > EVENT_LOOP_MS)
        throw new Error('it waits for events, not in a read of its standard input');
      if (nowMs - begunMs > this.#parts.maxLoadMs)
        throw new Error('it does not wait in a read of its standard input');
      await Promise.race([pause(pauseMs), child.exited]);
      if (hasExited) throw new Error('it ended before it waited for its first line');
    }
  }

  #freeze(image: IsolatedImage, loading: LoadingProcess): void {
    const { context, rights, scope = asServerUser, acknowledges } = this.#parts;
    const { child, streams } = loading;
    const begunMs = performance.now();
    const inherited = new InheritedAttributes();
    const residentBytes = scope(() => residentBytesOf(child.pid));
    const socket = scope(() =>
      freezeWaiting(context.arch, {
        pid: child.pid,
        streams,
        attributes: attributesOf(context.arch, child.pid, context.nofileLimit, rights),
      }),
    );
    context.stats.recordBuild(performance.now() - begunMs);
    const before = this.#template;
    const template = new Template(
      context,
      {
        action: this.#action,
        layout: NO_STRINGS,
        built: { pid: child.pid, dependencies: new TemplateDependencies([], [], inherited) },
        socket,
        retryAfterMs: undefined,
        process: { kill: () => child.killAlone() },
      },
      () => this.#onDied(template),
    );
    const written = loading.takeAnswers();
    loading.close();
    const problem = problemOf(written, acknowledges);
    if (problem !== undefined) {
      template.retire();
      throw new Error(problem);
    }
    if (before?.isExpired === true) context.stats.add('templatesRenewed');
    this.#retire();
    if (this.#image !== image) {
      template.retire();
      return;
    }
    this.#template = template;
    context.stats.setWaitingTemplate(residentBytes);
  }

  #onDied(template: Template): void {
    this.#parts.context.stats.add('templatesDied');
    if (this.#template !== template) return;
    this.#template = undefined;
    this.#parts.context.stats.setWaitingTemplate(undefined);
    if (template.hasServed) this.#failures = 0;
    this.#refuse({ reason: 'unsuitable', detail: 'it has ended' });
  }
}

/** What it has written on descriptor 3 before its first request must be its acknowledgement, or nothing. */
function problemOf(written: Buffer, acknowledges: boolean): string | undefined {
  if (!acknowledges)
    return written.length === 0 ? undefined : 'it has written a line before its first request';
  if (written.length === 0) return 'it has not acknowledged its start';
  if (written.indexOf('\n') !== written.length - 1) return 'it has written more than its acknowledgement';
  const acknowledgement = readAcknowledgement(written);
  return typeof acknowledgement === 'string' ? acknowledgement : undefined;
}

function isReadByAnother(pid: number): boolean {
  const detector = new StdinWaitDetector(pid, readFromStart);
  const isRead = detector.isWaiting(true, READS_ONLY);
  detector.close();
  return isRead && stdinWaitOf(pid) !== 'read';
}

function residentBytesOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kib ?? 0) * 1024;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
