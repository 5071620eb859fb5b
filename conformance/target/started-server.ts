import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { chmod, rename, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Protocol } from '../case.js';
import { Violation } from '../check.js';
import { SENTINEL } from '../messages.js';
import { freePort } from './free-port.js';
import { signal, withVariable } from './processes.js';
import { Server } from './server.js';

const START_TIMEOUT_MS = 20_000;
const MARKER = '__OW_CONFORMANCE';

/** The variables by which the contract chooses a protocol; a runtime with one protocol has no use for them. */
const PROTOCOL_ENV: Readonly<Record<Protocol, Record<string, string>>> = {
  classic: {},
  actionloop: {},
  knative: { __OW_RUNTIME_PLATFORM: 'knative' },
};

/** How servers are started. */
export interface StartCommand {
  /** Shell text with `{port}` and `{actionRoot}` in it. */
  readonly template: string;
  readonly env: Readonly<Record<string, string>>;
  readonly protocol: Protocol;
}

/** What one case wants of its server. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Fills the action folder before the start, as an image would. */
  readonly prepare?: (actionRoot: string) => void;
  /** Whether to return at once, before the server listens. */
  readonly early?: boolean;
}

/** What an activation left in the logs, without the sentinels. */
interface RunLogs {
  readonly stdout: string;
  readonly stderr: string;
}

const live = new Set<StartedServer>();

/** A server of the suite's own, with a fresh action folder; its stdout and stderr go to files. */
export class StartedServer extends Server {
  readonly actionRoot: string;
  readonly #folder: string;
  readonly #mark: string;
  readonly #process: ChildProcess;
  #stdoutAt = 0;
  #stderrAt = 0;

  private constructor(folder: string, port: number, command: StartCommand, options: StartOptions) {
    super('127.0.0.1', port, command.protocol);
    this.#folder = folder;
    this.actionRoot = join(folder, 'action');
    const temporary = join(folder, 'tmp');
    mkdirSync(this.actionRoot);
    mkdirSync(temporary);
    options.prepare?.(this.actionRoot);
    this.#mark = randomBytes(8).toString('hex');
    const text = command.template
      .replaceAll('{port}', String(port))
      .replaceAll('{actionRoot}', this.actionRoot);
    const logs = ['stdout', 'stderr'].map((name) => openSync(join(folder, name), 'a'));
    this.#process = spawn('/bin/sh', ['-c', text], {
      // A group of its own: the shell and whatever it starts end together.
      detached: true,
      env: {
        PATH: process.env.PATH ?? '/usr/bin:/bin',
        HOME: process.env.HOME ?? '/',
        TMPDIR: temporary,
        ...PROTOCOL_ENV[command.protocol],
        ...command.env,
        ...options.env,
        [MARKER]: this.#mark,
      },
      stdio: ['ignore', ...logs],
    });
    for (const fd of logs) closeSync(fd);
    live.add(this);
  }

  /** Starts a server and resolves once it takes connections. */
  static async start(command: StartCommand, options: StartOptions = {}): Promise<StartedServer> {
    const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
    const server = new StartedServer(folder, await freePort(), command, options);
    if (options.early) return server;
    try {
      await server.#listening();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** The process that the command became; where it is a shell that waits for the server, that shell. */
  get pid(): number {
    return this.#process.pid as number;
  }

  /** Its exit status, -1 where a signal ended it, undefined while it runs. */
  get exitCode(): number | undefined {
    if (this.#process.signalCode !== null) return -1;
    return this.#process.exitCode ?? undefined;
  }

  get exec(): string {
    return join(this.actionRoot, 'exec');
  }

  /** Replaces the action on disk: whole, by renaming. */
  async install(content: string | Uint8Array, mode = 0o755): Promise<void> {
    const next = join(this.actionRoot, '.next');
    await writeFile(next, content);
    await chmod(next, mode);
    await rename(next, this.exec);
  }

  /** What came to the logs since the last call. */
  takeLogs(): { stdout: Buffer; stderr: Buffer } {
    const { stdout, stderr } = this.readLogs();
    this.#stdoutAt += stdout.length;
    this.#stderrAt += stderr.length;
    return { stdout, stderr };
  }

  /** The same, to be read again by the next call. */
  readLogs(): { stdout: Buffer; stderr: Buffer } {
    return {
      stdout: readFileSync(join(this.#folder, 'stdout')).subarray(this.#stdoutAt),
      stderr: readFileSync(join(this.#folder, 'stderr')).subarray(this.#stderrAt),
    };
  }

  /** The logs of one activation: the sentinels must be there, once on each stream and last (C-LOG-01). */
  takeRunLogs(): RunLogs {
    const { stdout, stderr } = this.takeLogs();
    return { stdout: beforeSentinel(stdout, 'stdout'), stderr: beforeSentinel(stderr, 'stderr') };
  }

  /** Sends the server a signal, as `docker stop` does. */
  signal(name: NodeJS.Signals): void {
    signal(this.pid, name);
  }

  /** The processes of the server and its actions, leftovers included. */
  processes(): number[] {
    return withVariable(`${MARKER}=${this.#mark}`);
  }

  /** Ends the server with all that it started, and removes its folder. */
  async stop(): Promise<void> {
    const running = this.exitCode === undefined && this.#process.pid !== undefined;
    const exited = running ? once(this.#process, 'exit') : undefined;
    this.endAll();
    await exited;
    live.delete(this);
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Kills everything, and waits for nothing. */
  endAll(): void {
    const strays = this.processes();
    if (this.exitCode === undefined && this.#process.pid !== undefined) signal(-this.pid, 'SIGKILL');
    for (const pid of strays) signal(pid, 'SIGKILL');
    // What was started between the two steps above.
    for (const pid of this.processes()) signal(pid, 'SIGKILL');
  }

  async #listening(): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await accepts(this.port))) {
      if (this.exitCode !== undefined) {
        const said = this.readLogs().stderr.toString('utf8').trim().slice(-500);
        throw new Violation(`the server ended with ${this.exitCode} before it listened: ${said}`);
      }
      if (Date.now() > deadline)
        throw new Violation(`the server does not listen within ${START_TIMEOUT_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Ends every server that still runs: for the end of the suite's own process. */
export function endEverything(): void {
  for (const server of live) server.endAll();
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function beforeSentinel(log: Buffer, name: string): string {
  const text = log.toString('latin1');
  const at = text.indexOf(`${SENTINEL}\n`);
  if (at < 0 || at + SENTINEL.length + 1 !== text.length) {
    const got = JSON.stringify(text.slice(-300));
    throw new Violation(`log of one activation on ${name}: expected one sentinel, as its end, got ${got}`);
  }
  return log.toString('utf8', 0, at);
}
