import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../conformance/target/free-port.js';
import type { MemoryGroup } from './memory-group.js';

const BINARY = resolve('bin/hyperskeleton');
const START_TIMEOUT_MS = 20_000;

/** A built server under load, with an action folder of its own. */
export class LoadedServer {
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(port: number, process: ChildProcess) {
    this.port = port;
    this.#process = process;
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  /** Starts one in a folder of the caller's, in a control group where one is given, and resolves once it is ready. */
  static async start(
    folder: string,
    flags: readonly string[],
    env: Readonly<Record<string, string>> = {},
    group?: MemoryGroup,
  ): Promise<LoadedServer> {
    const own = mkdtempSync(join(folder, 'server-'));
    const root = join(own, 'action');
    mkdirSync(root);
    const port = await freePort();
    const logs = ['stdout', 'stderr'].map((name) => openSync(join(own, name), 'w'));
    const command = [BINARY, 'serve', '--port', String(port), '--action-root', root, ...flags];
    const enter = group === undefined ? '' : `echo $$ >${group.members} && `;
    const child = spawn('/bin/sh', ['-c', `${enter}exec "$@"`, 'sh', ...command], {
      env: { PATH: process.env.PATH ?? '', TMPDIR: own, ...env },
      stdio: ['ignore', ...logs],
    });
    for (const fd of logs) closeSync(fd);
    const server = new LoadedServer(port, child);
    try {
      await server.#ready();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Posts a body and waits for the whole answer. @returns the status */
  async post(path: string, body: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
    await response.arrayBuffer();
    return response.status;
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.port}/metrics`)).text();
  }

  /** The engine that it says it has. */
  async engine(): Promise<string> {
    return /^hyperskeleton_build_info\{.*\bengine="(\w+)"/m.exec(await this.metrics())?.[1] ?? 'unknown';
  }

  /** Ends it as the platform does; what does not end by itself is killed. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5000);
    await exited;
    clearTimeout(timer);
  }

  async #ready(): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      if (this.#process.exitCode !== null) throw new Error(`the server ended: ${this.#process.exitCode}`);
      const ready = await fetch(`http://127.0.0.1:${this.port}/readyz`).catch(() => undefined);
      await ready?.arrayBuffer();
      if (ready?.ok) return;
      if (Date.now() > deadline) throw new Error('the server does not become ready');
      await delay(20);
    }
  }
}
