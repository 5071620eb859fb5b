import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { copyFile, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../conformance/target/free-port.js';
import { onEnd } from './cleanup.js';
import { send, sendOk } from './http.js';
import { SERVER } from './paths.js';
import { privateNode } from './private-node.js';

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 10;

/** How a server is started. */
interface LaunchOptions {
  /** A folder of the caller's; the server gets a new one in it. */
  readonly folder: string;
  /** The program that lies in the action folder before the start, as in an image with an action of its own. */
  readonly program?: string;
  /** How processes are started; by default as the server chooses. */
  readonly engine?: string;
  /** Further environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where stdout goes; a file by default. */
  readonly stdoutFd?: number;
}

/** A real server process with default settings. */
export class BenchServer {
  readonly port: number;
  readonly actionRoot: string;
  /** When its process was started, on the clock of `performance`. */
  readonly launchedMs: number;
  readonly #process: ChildProcess;
  readonly #end: () => void;

  private constructor(port: number, actionRoot: string, launchedMs: number, process: ChildProcess) {
    this.port = port;
    this.actionRoot = actionRoot;
    this.launchedMs = launchedMs;
    this.#process = process;
    this.#end = onEnd(() => process.kill('SIGKILL'));
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  /** Starts the process and answers at once, whether or not it listens yet. */
  static async launch(options: LaunchOptions): Promise<BenchServer> {
    const folder = await mkdtemp(join(options.folder, 'server-'));
    const actionRoot = join(folder, 'action');
    mkdirSync(actionRoot);
    if (options.program !== undefined) await copyFile(options.program, join(actionRoot, 'exec'));
    const port = await freePort();
    const stdout = options.stdoutFd ?? openSync(join(folder, 'stdout'), 'w');
    const stderr = openSync(join(folder, 'stderr'), 'w');
    const path = `${await privateNode(options.folder)}:${process.env.PATH ?? ''}`;
    const launchedMs = performance.now();
    const flags = options.engine === undefined ? [] : ['--engine', options.engine];
    const child = spawn(SERVER, ['serve', '--port', String(port), '--action-root', actionRoot, ...flags], {
      env: { PATH: path, TMPDIR: folder, ...options.env },
      stdio: ['ignore', stdout, stderr],
    });
    closeSync(stderr);
    if (options.stdoutFd === undefined) closeSync(stdout);
    await once(child, 'spawn');
    return new BenchServer(port, actionRoot, launchedMs, child);
  }

  /** Starts a server and waits until it serves. */
  static async start(options: LaunchOptions): Promise<BenchServer> {
    const server = await BenchServer.launch(options);
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const ready = await send(server.port, 'GET', '/readyz').catch(() => undefined);
      if (ready?.status === 200) return server;
      if (server.#process.exitCode !== null || Date.now() > deadline) {
        await server.stop();
        throw new Error(`the server did not start: exit status ${server.#process.exitCode}`);
      }
      await delay(POLL_MS);
    }
  }

  /** POST /run with the arguments as JSON text; demands a 200. */
  run(argumentsText = '{}'): Promise<Buffer> {
    return sendOk(this.port, 'POST', '/run', `{"value":${argumentsText}}`);
  }

  /** The value of a metric without labels. */
  async metric(name: string): Promise<number> {
    const text = (await sendOk(this.port, 'GET', '/metrics')).toString('utf8');
    const line = text.split('\n').find((one) => one.startsWith(`${name} `));
    if (line === undefined) throw new Error(`GET /metrics has no ${name}`);
    return Number(line.slice(name.length + 1));
  }

  /** Ends the server as a platform does, and by force if that takes too long. */
  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = once(this.#process, 'exit');
      const force = setTimeout(() => this.#process.kill('SIGKILL'), STOP_TIMEOUT_MS);
      this.#process.kill('SIGTERM');
      await exited;
      clearTimeout(force);
    }
    this.#end();
  }
}
