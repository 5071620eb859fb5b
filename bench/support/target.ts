import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PROJECT } from './programs.js';

const START_TIMEOUT_MS = 20_000;

/** A server under measurement: fresh, with default settings, its logs in files. */
export class Target {
  readonly port: number;
  readonly folder: string;
  readonly actionRoot: string;
  readonly #process: ChildProcess;

  private constructor(port: number, folder: string, logs: 'files' | 'null') {
    this.port = port;
    this.folder = folder;
    this.actionRoot = join(folder, 'action');
    mkdirSync(this.actionRoot);
    const to = (name: string): number => openSync(logs === 'null' ? '/dev/null' : join(folder, name), 'a');
    this.#process = spawn(
      join(PROJECT, 'bin/hyperskeleton'),
      ['serve', '--port', String(port), '--action-root', this.actionRoot],
      { stdio: ['ignore', to('stdout'), to('stderr')] },
    );
  }

  /** Starts a server; resolves when it is ready. */
  static async start(logs: 'files' | 'null' = 'null'): Promise<Target> {
    const target = await Target.spawn(logs);
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    while ((await target.status('/readyz')) !== 200) {
      if (performance.now() > deadlineMs) {
        await target.stop();
        throw new Error('the server did not start');
      }
      await delay(10);
    }
    return target;
  }

  /** Starts a server and does not wait for it. */
  static async spawn(logs: 'files' | 'null' = 'null'): Promise<Target> {
    return new Target(await freePort(), mkdtempSync(join(tmpdir(), 'hyperskeleton-bench-')), logs);
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  /** Puts an action in place, as an image has it. */
  install(action: { program: string } | { script: string }): void {
    const exec = join(this.actionRoot, 'exec');
    rmSync(exec, { force: true });
    if ('program' in action) copyFileSync(action.program, exec);
    else writeFileSync(exec, action.script, { mode: 0o755 });
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** The status of a GET; 0 where nobody answers. */
  async status(path: string): Promise<number> {
    try {
      const answer = await fetch(this.url(path));
      await answer.arrayBuffer();
      return answer.status;
    } catch {
      return 0;
    }
  }

  async post(path: string, body: string | Uint8Array): Promise<{ status: number; body: Buffer }> {
    const answer = await fetch(this.url(path), { method: 'POST', body });
    return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
  }

  /** Proportional set size of the server and everything it has started (proc(5), smaps_rollup). */
  pssBytes(): number {
    return [this.pid, ...descendants(this.pid)].reduce((sum, pid) => sum + pssOf(pid), 0);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      this.#process.kill('SIGTERM');
      await once(this.#process, 'exit');
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function descendants(pid: number): number[] {
  const found: number[] = [];
  const look = (parent: number): void => {
    let threads: string[] = [];
    try {
      threads = readFileSync(`/proc/${parent}/task/${parent}/children`, 'latin1').split(' ').filter(Boolean);
    } catch {
      // It has ended in this moment.
    }
    for (const child of threads.map(Number)) {
      found.push(child);
      look(child);
    }
  };
  look(pid);
  return found;
}

function pssOf(pid: number): number {
  try {
    const line = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'));
    return Number(line?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
