import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { send } from '../../bench/support/http.js';
import { SERVER } from '../../bench/support/paths.js';
import type { Protocol } from '../../conformance/case.js';
import { freePort } from '../../conformance/target/free-port.js';
import { childrenOf } from '../../conformance/target/processes.js';
import { StartedServer } from '../../conformance/target/started-server.js';

const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

/** What a server is started with. */
export interface SubjectOptions {
  readonly protocol: Protocol;
  readonly engine: string;
  /** The HTTP front end; undefined: the one that it takes by itself. */
  readonly http?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Shell commands before the server takes the shell's place, in the folder that holds the action root. */
  readonly before?: string;
  /** What the server is started by, as `prlimit …`; it must become the server or be its parent. */
  readonly launcher?: string;
  /** Whether the launcher stays and the server is its child. */
  readonly isChild?: boolean;
  /** Another server than this project's, as shell text with {port} and {actionRoot}. */
  readonly start?: string;
}

/** The server that is attacked: a process of its own, whose log streams are FIFOs in its folder. */
export class Subject {
  readonly protocol: Protocol;
  readonly engine: string;
  readonly http: string | undefined;
  readonly server: StartedServer;
  readonly metricsPort: number;
  readonly folder: string;
  readonly #isChild: boolean;

  private constructor(server: StartedServer, metricsPort: number, options: SubjectOptions) {
    this.server = server;
    this.metricsPort = metricsPort;
    this.folder = dirname(server.actionRoot);
    this.protocol = options.protocol;
    this.engine = options.engine;
    this.http = options.http;
    this.#isChild = options.isChild ?? false;
  }

  /**
   * Starts the process and returns at once.
   *
   * @param prepare makes the readers of the FIFOs `out` and `err`: opening one for writing waits for its reader
   */
  static async launch(options: SubjectOptions, prepare: (folder: string) => void): Promise<Subject> {
    const metricsPort = await freePort();
    const command =
      options.start ??
      `'${SERVER}' serve --port {port} --action-root '{actionRoot}' --engine ${options.engine} --http ${options.http ?? 'auto'}`;
    const template =
      `cd '{actionRoot}/..' && ${options.before ?? ':'} && ` +
      `exec ${options.launcher ?? ''} ${command} >out 2>err`;
    const server = await StartedServer.start(
      {
        template,
        protocol: options.protocol,
        env: {
          HYPERSKELETON_METRICS_PORT: String(metricsPort),
          ...(options.protocol === 'actionloop' ? { HYPERSKELETON_PROTOCOL: 'actionloop' } : {}),
          ...options.env,
        },
      },
      {
        early: true,
        prepare: (actionRoot) => {
          const folder = dirname(actionRoot);
          execFileSync('mkfifo', [join(folder, 'out'), join(folder, 'err')]);
          writeFileSync(join(folder, 'runs'), '', { mode: 0o666 });
          prepare(folder);
        },
      },
    );
    return new Subject(server, metricsPort, options);
  }

  get port(): number {
    return this.server.port;
  }

  get actionRoot(): string {
    return this.server.actionRoot;
  }

  get temporary(): string {
    return join(this.folder, 'tmp');
  }

  /** The server's own process; its launcher's, where that stays and the server has not started yet. */
  get pid(): number {
    if (!this.#isChild) return this.server.pid;
    return childrenOf(this.server.pid)[0] ?? this.server.pid;
  }

  get path(): '/' | '/run' {
    return this.protocol === 'knative' ? '/' : '/run';
  }

  get hasEnded(): boolean {
    return this.server.exitCode !== undefined;
  }

  /** Resolves once the server serves. */
  async ready(): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    const page = this.protocol === 'knative' ? '/_hyperskeleton/readyz' : '/readyz';
    for (;;) {
      const status = await send(this.port, 'GET', page).then(
        (answer) => answer.status,
        () => 0,
      );
      if (status === 200) return;
      if (this.hasEnded) throw new Error(`the server ended with ${this.server.exitCode}`);
      if (Date.now() > deadline) throw new Error('the server does not become ready');
      await delay(POLL_MS);
    }
  }
}

/** Reads the tokens that runs append to a file, each time those that are new. */
export class RunMarks {
  readonly #path: string;
  #at = 0;
  #rest = '';

  constructor(path: string) {
    this.#path = path;
  }

  take(): string[] {
    if (!existsSync(this.#path)) return [];
    const fd = openSync(this.#path, 'r');
    try {
      const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - this.#at));
      const count = readSync(fd, bytes, 0, bytes.length, this.#at);
      this.#at += count;
      const lines = (this.#rest + bytes.toString('latin1', 0, count)).split('\n');
      this.#rest = lines.pop() ?? '';
      return lines;
    } finally {
      closeSync(fd);
    }
  }
}

/** The server's memory high-water mark in bytes since {@link resetPeak} (proc(5), clear_refs). */
export function peakBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}
