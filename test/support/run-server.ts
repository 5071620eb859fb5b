import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { chmod, copyFile, rename, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../conformance/target/free-port.js';
import { childrenOf } from './waiting.js';

const BINARY = fileURLToPath(new URL('../../bin/hyperskeleton', import.meta.url));
const START_TIMEOUT_MS = 20_000;

/** The line that ends an activation's log on each stream (C-LOG-01). */
export const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';

/** The engines that every rule of a run is tested with. */
export const ENGINES = ['forkserver', 'posix_spawn', 'child_process'] as const;

/** The front ends that every rule of HTTP is tested with. */
export const FRONT_ENDS = ['uws', 'node'] as const;
export type FrontEndName = (typeof FRONT_ENDS)[number];

/** What tests that do not choose one have; all of them can be run with either. */
const FRONT_END: FrontEndName = process.env.HYPERSKELETON_TEST_HTTP === 'node' ? 'node' : 'uws';

/** One answer of the server. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What a server is started with. */
export interface ServerOptions {
  readonly engine: string;
  /** What speaks HTTP; {@link FRONT_END} by default. */
  readonly http?: FrontEndName | 'auto';
  /** Its whole environment but for PATH and what the harness sets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** Where its stdout and stderr go: to files (the default), or to pipes that the test reads. */
  readonly logs?: 'files' | 'pipes';
  /** Shell text that ends in `exec "$@"`, to start the server under special circumstances. */
  readonly launcher?: string;
  /** The page that tells whether it is ready; /readyz by default. */
  readonly readiness?: string;
  /** Further descriptors that the server inherits, without close-on-exec. */
  readonly inherited?: readonly number[];
}

/** A server process of the test's own, with a private action root, and its logs. */
export class RunServer {
  readonly port: number;
  readonly process: ChildProcess;
  /** Private folder, removed by {@link stop}; the server's TMPDIR is in it. */
  readonly folder: string;
  readonly actionRoot: string;
  readonly temporary: string;
  readonly #pipes: { stdout?: Socket; stderr?: Socket } = {};
  #stdoutAt = 0;
  #stderrAt = 0;

  private constructor(folder: string, port: number, options: ServerOptions) {
    this.folder = folder;
    this.port = port;
    this.actionRoot = join(folder, 'action');
    this.temporary = join(folder, 'tmp');
    mkdirSync(this.actionRoot);
    mkdirSync(this.temporary);
    this.process = this.#spawn(options);
  }

  /** Starts a server and resolves once it is ready. */
  static async start(options: ServerOptions): Promise<RunServer> {
    const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-test-'));
    const server = new RunServer(folder, await freePort(), options);
    try {
      await server.#ready(options.readiness ?? '/readyz');
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get exec(): string {
    return join(this.actionRoot, 'exec');
  }

  /** Its process id; the launcher has replaced itself by then. */
  get pid(): number {
    return this.process.pid as number;
  }

  /** Replaces the action by a script or by any bytes, as an image's author would: whole, by renaming. */
  async install(content: string | Uint8Array, mode = 0o755): Promise<void> {
    const next = join(this.folder, 'next');
    await writeFile(next, content);
    await chmod(next, mode);
    await rename(next, this.exec);
  }

  /** Replaces the action by a program. */
  async installProgram(path: string): Promise<void> {
    const next = join(this.folder, 'next');
    await copyFile(path, next);
    await rename(next, this.exec);
  }

  /** Puts a file next to the action, for it to use. */
  async write(name: string, content: string | Uint8Array): Promise<void> {
    await writeFile(join(this.actionRoot, name), content);
  }

  /** Posts the bytes as they are, on a connection of their own, as the platform does. */
  post(path: string, body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request({
        host: '127.0.0.1',
        port: this.port,
        path,
        method: 'POST',
        agent: false,
        headers: {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
          ...headers,
        },
      });
      outgoing.once('error', reject);
      outgoing.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          });
        });
      });
      outgoing.end(body);
    });
  }

  /** POST /run with this very text or bytes. */
  runBody(body: string | Uint8Array): Promise<Answer> {
    return this.post('/run', body);
  }

  /** POST /run with arguments given as JSON text, and a context. */
  runText(value: string, context: Record<string, unknown> = {}): Promise<Answer> {
    const rest = JSON.stringify(context).slice(1, -1);
    return this.runBody(`{"value":${value}${rest === '' ? '' : `,${rest}`}}`);
  }

  /** POST /run with these arguments and context. */
  run(value: unknown = {}, context: Record<string, unknown> = {}): Promise<Answer> {
    return this.runText(JSON.stringify(value), context);
  }

  /** GET of one of the server's own pages. */
  get(path: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ host: '127.0.0.1', port: this.port, path, agent: false }, (response) => {
        response.resume();
        response.once('end', () => resolve(response.statusCode ?? 0));
      });
      outgoing.once('error', reject);
      outgoing.end();
    });
  }

  /** What came to the log files since the last call. Everything of an answered run is in it (C-LOG-01). */
  takeLogs(): { stdout: Buffer; stderr: Buffer } {
    const stdout = readFileSync(join(this.folder, 'stdout')).subarray(this.#stdoutAt);
    const stderr = readFileSync(join(this.folder, 'stderr')).subarray(this.#stderrAt);
    this.#stdoutAt += stdout.length;
    this.#stderrAt += stderr.length;
    return { stdout, stderr };
  }

  /** The same as text, without the sentinels, which must be there once each and last. */
  takeRunLogs(): { stdout: string; stderr: string } {
    const { stdout, stderr } = this.takeLogs();
    return { stdout: beforeSentinel(stdout, 'stdout'), stderr: beforeSentinel(stderr, 'stderr') };
  }

  get stdout(): Readable {
    return this.#pipes.stdout as Readable;
  }

  get stderr(): Readable {
    return this.#pipes.stderr as Readable;
  }

  /** Ends the server and removes what it had. */
  async stop(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      // What still runs would outlive a server that is killed.
      for (const pid of childrenOf(this.pid)) endGroup(pid);
      const exited = once(this.process, 'exit');
      this.process.kill('SIGKILL');
      await exited;
    }
    for (const stream of this.process.stdio) stream?.destroy();
    this.#pipes.stdout?.destroy();
    this.#pipes.stderr?.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #spawn(options: ServerOptions): ChildProcess {
    const [stdout, stderr] = [this.#logEnd('stdout', options.logs), this.#logEnd('stderr', options.logs)];
    const command = [
      ...[BINARY, 'serve', '--port', String(this.port), '--action-root', this.actionRoot],
      ...['--engine', options.engine, '--http', options.http ?? FRONT_END, ...(options.flags ?? [])],
    ];
    const further = Array.from({ length: Math.max(2, ...(options.inherited ?? [])) - 2 }, (_, at) =>
      options.inherited?.includes(at + 3) ? 'pipe' : 'ignore',
    );
    const launcher = options.launcher ?? 'exec "$@"';
    const child = spawn('/bin/sh', ['-c', launcher, 'sh', ...command], {
      env: { PATH: process.env.PATH ?? '', TMPDIR: this.temporary, ...options.env },
      stdio: ['ignore', stdout, stderr, ...further],
    });
    for (const fd of [stdout, stderr]) closeSync(fd);
    return child;
  }

  /** The end that the server writes to: of a file, or of a real pipe as a container has (child_process makes sockets). */
  #logEnd(name: 'stdout' | 'stderr', logs: ServerOptions['logs']): number {
    const path = join(this.folder, name);
    if (logs !== 'pipes') return openSync(path, 'a');
    execFileSync('mkfifo', [path]);
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#pipes[name] = new Socket({ fd, readable: true, writable: false });
    return openSync(path, 'w');
  }

  async #ready(page: string): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      if (this.process.exitCode !== null) throw new Error(`the server ended: ${this.process.exitCode}`);
      const status = await this.get(page).catch(() => 0);
      if (status === 200) return;
      if (Date.now() > deadline) throw new Error('the server does not become ready');
      await delay(20);
    }
  }
}

function beforeSentinel(log: Buffer, name: string): string {
  const text = log.toString('latin1');
  const at = text.indexOf(`${SENTINEL}\n`);
  const ends = at >= 0 && at + SENTINEL.length + 1 === text.length;
  if (!ends || (at > 0 && text[at - 1] !== '\n')) {
    throw new Error(`${name} is not one activation's log: ${JSON.stringify(text.slice(-300))}`);
  }
  return log.toString('utf8', 0, at);
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended, or leads no group.
  }
}
