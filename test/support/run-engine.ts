import { randomUUID } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecEngine } from '../../src/engines/engine.js';
import { ForkserverEngine } from '../../src/engines/forkserver/engine.js';
import {
  createEngineStats,
  type EngineStats,
  readEngineStats,
  StatsWriter,
} from '../../src/engines/forkserver/ipc/stats.js';
import { PosixSpawnEngine } from '../../src/engines/posix-spawn.js';
import type { ActionImage } from '../../src/os/action-image.js';
import { Reactor } from '../../src/os/reactor.js';
import type { ProcessExit } from '../../src/protocol/answer.js';
import { createResourceMemory, ResourceTable } from '../../src/shared-memory/resource-table.js';
import { templatesOf } from './waiting.js';

/** What became of one run, without a server around it. */
export interface EngineRun {
  /** `started`, or why the engine did not start it. */
  readonly outcome: string;
  readonly pid: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: Pick<ProcessExit, 'status' | 'signal'>;
}

/** What a run is given. */
export interface RunInput {
  readonly argument?: string;
  readonly variables?: Readonly<Record<string, string>>;
  /** Called when the start is under way, before its outcome is there. */
  readonly meanwhile?: () => void;
}

const THREAD_ID = 1;
const MAX_REAPING_MS = 2000;

/** One engine in the test's own process, and a folder for its action. */
export class EngineFixture {
  readonly engine: ExecEngine;
  readonly folder: string;
  readonly #reactor = new Reactor();
  readonly #statistics = createEngineStats(1);
  #action: ActionImage;

  /** @param waitsForTemplate and what follows: as ForkserverOptions has them */
  constructor(
    kind: 'forkserver' | 'posix_spawn',
    waitsForTemplate = true,
    maxRuns = 10_000,
    maxStartMs = 1000,
  ) {
    const limits = { maxRuns, maxStartMs };
    const reactor = this.#reactor;
    const resourceTable = new ResourceTable(createResourceMemory(1), THREAD_ID);
    const stats = new StatsWriter(this.#statistics, 0);
    this.folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-rig-'));
    mkdirSync(join(this.folder, 'action'));
    this.engine =
      kind === 'posix_spawn'
        ? new PosixSpawnEngine(reactor, resourceTable)
        : new ForkserverEngine({
            reactor,
            resourceTable,
            nofileLimit: undefined,
            stats,
            waitsForTemplate,
            ...limits,
          });
    this.#action = this.#image({});
  }

  get root(): string {
    return join(this.folder, 'action');
  }

  get exec(): string {
    return join(this.root, 'exec');
  }

  get stats(): EngineStats {
    return readEngineStats(this.#statistics);
  }

  /** As if another thread had made the self-test, and it had failed. */
  failSelfTest(reason: string): void {
    new StatsWriter(this.#statistics, 0).recordSelfTest(reason);
  }

  /** Installs a script's text, as an init would. */
  installScript(text: string, environment: Readonly<Record<string, string>> = {}): void {
    const next = join(this.folder, randomUUID());
    writeFileSync(next, text);
    this.#place(next, environment);
  }

  /**
   * Installs a program, as an init would.
   *
   * @param root an action folder that is elsewhere
   */
  installProgram(
    path: string,
    environment: Readonly<Record<string, string>> = {},
    root: string = this.root,
  ): void {
    const next = join(this.folder, randomUUID());
    copyFileSync(path, next);
    this.#place(next, environment, root);
  }

  /** Runs the action once, to its end and that of its streams. */
  async run({ argument = '{}', variables = {}, meanwhile }: RunInput = {}): Promise<EngineRun> {
    const output: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
    let finish: () => void = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const starting = this.engine.start(
      { action: this.#action, argument: Buffer.from(argument), variables: Object.entries(variables) },
      {
        stdout: (chunk) => output.stdout.push(Buffer.from(chunk)),
        stderr: (chunk) => output.stderr.push(Buffer.from(chunk)),
        exited: (open) => {
          if (!open) finish();
        },
        streamsEnded: () => finish(),
      },
    );
    meanwhile?.();
    const outcome = await starting;
    if (outcome.kind !== 'started') {
      const why = outcome.kind === 'refused' ? outcome.reason : outcome.errno;
      return { outcome: why, pid: 0, stdout: '', stderr: '', exit: {} };
    }
    await finished;
    const { status, signal } = outcome.process.release();
    return {
      outcome: 'started',
      pid: outcome.process.pid,
      stdout: Buffer.concat(output.stdout).toString(),
      stderr: Buffer.concat(output.stderr).toString(),
      exit: { ...(status !== undefined && { status }), ...(signal !== undefined && { signal }) },
    };
  }

  /** Ends it, and waits until its templates are reaped: a test process has one rig at a time that counts them. */
  async close(): Promise<void> {
    this.engine.close();
    const deadline = Date.now() + MAX_REAPING_MS;
    const left = (): boolean => this.engine.name === 'forkserver' && templatesOf(process.pid).length > 0;
    while (left() && Date.now() < deadline) await delay(5);
    this.#reactor.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #place(next: string, environment: Readonly<Record<string, string>>, root = this.root): void {
    chmodSync(next, 0o755);
    if (root === this.root) renameSync(next, this.exec);
    else copyFileSync(next, join(root, 'exec'));
    this.#action = this.#image(environment, root);
    this.engine.actionChanged(this.#action);
  }

  #image(environment: Readonly<Record<string, string>>, root = this.root): ActionImage {
    const all = { PATH: process.env.PATH ?? '', PWD: root, ...environment };
    const entries = Object.entries(all).map(([name, value]) => Buffer.from(`${name}=${value}`));
    return { exec: join(root, 'exec'), folder: root, environment: entries };
  }
}
