import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, truncateSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../conformance/target/free-port.js';
import type { Endpoint } from '../load/exchange.js';
import { onEnd } from '../support/cleanup.js';
import { isPortBusy } from '../support/ports.js';
import { privateNode } from '../support/private-node.js';
import type { Presence, TargetDefinition } from './definition.js';

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 3000;
const POLL_MS = 1;
const READ_BYTES = 65_536;
const TAIL_CHARS = 1500;
const SENTINEL = 'THE_END_OF_A_WHISK_ACTIVATION';

/** A target of this run that is on this machine. */
export interface FoundTarget {
  readonly definition: TargetDefinition;
  readonly presence: Extract<Presence, { present: true }>;
}

interface Facts {
  readonly endpoint: Endpoint;
  readonly launchedMs: number;
  readonly isPeer: boolean;
  readonly process?: ChildProcess;
  readonly folder?: string;
  readonly log?: string;
}

/** A server that was started for a measurement, or one that runs anyway. */
export class RunningTarget {
  readonly endpoint: Endpoint;
  /** When its process was started, on the clock of `performance`. */
  readonly launchedMs: number;
  /** Aborted when its process ends. */
  readonly died = new AbortController();
  readonly #process: ChildProcess | undefined;
  readonly #folder: string | undefined;
  readonly #log: string | undefined;
  readonly #isPeer: boolean;
  #undo: () => void = () => undefined;
  #stopping = false;

  private constructor(facts: Facts) {
    this.endpoint = facts.endpoint;
    this.launchedMs = facts.launchedMs;
    this.#isPeer = facts.isPeer;
    this.#process = facts.process;
    this.#folder = facts.folder;
    this.#log = facts.log;
    facts.process?.once('exit', () => this.died.abort());
  }

  /**
   * Starts the process and answers at once, whether or not it listens yet.
   *
   * @param folder where it gets a new folder of its own
   * @param program the action, for a target that is told at its start
   * @throws Error when its fixed port is taken, or the command can't be started
   */
  static async launch(
    { definition, presence }: FoundTarget,
    folder: string,
    program: string,
  ): Promise<RunningTarget> {
    if (definition.url !== undefined) {
      const { hostname, port, pathname } = new URL(definition.url);
      const path = `${pathname.replace(/\/$/, '')}/run`;
      const endpoint = { host: hostname, port: Number(port || 80), path };
      return new RunningTarget({ endpoint, launchedMs: performance.now(), isPeer: definition.peer });
    }
    if (presence.start === undefined) throw new Error(`${definition.id} is no server`);
    const port = definition.port ?? (await freePort());
    for (const fixed of definition.fixedPorts ?? []) {
      if (await isPortBusy(fixed)) {
        throw new Error(`port ${fixed}, which ${definition.id} needs, is in use by another program`);
      }
    }
    const own = await mkdtemp(join(folder, 'target-'));
    const actionRoot = join(own, 'action');
    await mkdir(actionRoot);
    const nodeFolder = await privateNode(folder);
    const { command, env, cwd } = presence.start({ port, folder: own, actionRoot, program, nodeFolder });
    const [file = '', ...args] = command;
    const log = join(own, 'log');
    // Appending: the file can be emptied between rounds while it is written to.
    const output = openSync(log, 'a');
    const launchedMs = performance.now();
    // A group of its own: Ctrl-C is for the harness, which then ends its targets, and all that they started.
    const child = spawn(file, args, {
      env,
      stdio: ['ignore', output, output],
      detached: true,
      ...(cwd === undefined ? {} : { cwd }),
    });
    closeSync(output);
    await once(child, 'spawn');
    const endpoint = { host: '127.0.0.1', port, path: '/run' };
    const isPeer = definition.peer;
    const running = new RunningTarget({ endpoint, launchedMs, isPeer, process: child, folder: own, log });
    running.#undo = onEnd(() => running.#kill('SIGKILL'));
    return running;
  }

  /** Undefined for a target that runs already. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get isAlive(): boolean {
    return !this.died.signal.aborted;
  }

  /**
   * Resolves as soon as it takes connections.
   *
   * @throws Error when it ends or takes too long, with the tail of its log
   */
  async listening(): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      const socket = connect(this.endpoint.port, this.endpoint.host);
      try {
        await once(socket, 'connect');
        return;
      } catch (error) {
        if (!this.isAlive) throw new Error(`it ended before it listened${this.logTail()}`);
        if (performance.now() > deadline) {
          throw new Error(`it did not listen within ${START_TIMEOUT_MS / 1000} s${this.logTail()}`, {
            cause: error,
          });
        }
        await delay(POLL_MS);
      } finally {
        socket.destroy();
      }
    }
  }

  /** The end of what it wrote, for an error's text; empty when it wrote nothing. */
  logTail(): string {
    if (this.#log === undefined) return '';
    try {
      const lines = readFileSync(this.#log).subarray(-READ_BYTES).toString('utf8').split('\n');
      // What ends each activation's log says nothing, and there is much of it.
      const telling = lines.filter((line) => line.trim() !== '' && !line.includes(SENTINEL));
      const tail = telling.join('\n').slice(-TAIL_CHARS);
      return tail === '' ? ' (its log is empty)' : `; its log ends:\n${tail}`;
    } catch {
      return '';
    }
  }

  /** Drops what it has logged so far: a round of much log fills a disk. */
  emptyLog(): void {
    if (this.#log !== undefined && this.isAlive) truncateSync(this.#log);
  }

  /** Ends it, by force when it takes long, and removes its folder. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    if (this.#process !== undefined && this.isAlive) {
      const exited = once(this.#process, 'exit');
      const force = setTimeout(() => this.#kill('SIGKILL'), STOP_TIMEOUT_MS);
      // A peer's own way to end is no part of this, and one waits for half a minute.
      this.#process.kill(this.#isPeer ? 'SIGKILL' : 'SIGTERM');
      await exited;
      clearTimeout(force);
    }
    this.#undo();
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }

  #kill(signal: NodeJS.Signals): void {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    try {
      // The whole group: actions that are still running as well.
      process.kill(-pid, signal);
    } catch {
      // Nobody is left.
    }
  }
}
