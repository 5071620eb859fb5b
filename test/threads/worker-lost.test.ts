import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Gate, isAlive, stateOf, until, untilDescriptors } from '../support/waiting.js';

const HARNESS = fileURLToPath(new URL('../fixtures/pool-harness.mjs', import.meta.url));
const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';

/**
 * A worker thread that dies takes its memory with it, so this is done to a real server in a process of its
 * own, whose harness can end a thread.
 */
describe.each(['forkserver', 'posix_spawn', 'child_process'])('a worker thread that dies (%s)', (engine) => {
  let folder: string;
  let child: ChildProcess;
  let lines: Interface;
  let port: number;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-pool-'));
    child = spawn(process.execPath, [HARNESS, folder, engine], { stdio: ['pipe', 'pipe', 'pipe', 'ipc'] });
    lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    port = await new Promise<number>((resolve, reject) => {
      child.once('message', (message) => resolve((message as { port: number }).port));
      child.once('exit', (code) => reject(new Error(`the harness ended: ${code}`)));
    });
  });
  afterEach(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it('its activations are answered worker_lost with sentinels, its processes killed, it is replaced', async () => {
    const gate = new Gate(folder);
    await writeFile(
      join(folder, 'exec'),
      `#!/bin/sh\necho $$ >> "${folder}/pids"\n${gate.wait}\necho "{}"\n`,
    );
    await chmod(join(folder, 'exec'), 0o755);
    const seen: string[] = [];
    lines.on('line', (line) => seen.push(line));
    const run = (): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/run`, { method: 'POST', body: '{}' });
    const fds = (): number => readdirSync(`/proc/${child.pid}/fd`).length;
    const before = fds();
    // A template with its socket and prewarmed clones, for the new thread as for the old.
    const ofEngine = engine === 'forkserver' ? 8 : 0;
    const answers = [run(), run(), run()];
    await gate.arrivals(3);
    child.send('kill-worker');
    for (const answer of await Promise.all(answers)) {
      expect([answer.status, answer.headers.get('x-hyperskeleton-error')]).toEqual([500, 'worker_lost']);
      expect(await answer.json()).toEqual({ error: 'The worker thread that ran the activation died.' });
    }
    await until('three sentinels came', () => seen.filter((line) => line === SENTINEL).length === 3);
    const { readFileSync } = await import('node:fs');
    const pids = readFileSync(join(folder, 'pids'), 'utf8').trim().split('\n').map(Number);
    expect(pids.length).toBe(3);
    await until('its processes are gone', () => pids.every((pid) => !isAlive(pid)));
    if (engine !== 'child_process') {
      await until('and reaped', () => pids.every((pid) => stateOf(pid) === undefined));
    }
    await writeFile(join(folder, 'next'), '#!/bin/sh\necho \'{"after":1}\'\n');
    await chmod(join(folder, 'next'), 0o755);
    const { renameSync } = await import('node:fs');
    renameSync(join(folder, 'next'), join(folder, 'exec'));
    const after = await run();
    expect([after.status, await after.text()]).toEqual([200, '{"after":1}']);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics).toMatch(/hyperskeleton_workers_lost_total 1\n/);
    expect(metrics).toMatch(/hyperskeleton_activations_total\{outcome="internal"\} 3\n/);
    // The scrape itself opens nothing; kept connections of this test's client may come on top.
    await untilDescriptors(child.pid as number, before + 6 + ofEngine);
    gate.open();
  });
});

it('what the main thread runs itself goes on when a worker dies', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-pool-'));
  const child = spawn(process.execPath, [HARNESS, folder, 'forkserver'], {
    stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
  });
  try {
    const port = await new Promise<number>((resolve) => {
      child.once('message', (message) => resolve((message as { port: number }).port));
    });
    const run = async (body: string): Promise<string> =>
      (await fetch(`http://127.0.0.1:${port}/run`, { method: 'POST', body })).text();
    const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const directs = async (): Promise<number> =>
      Number(/hyperskeleton_activations_direct_total (\d+)/.exec(await metrics())?.[1]);
    const gate = new Gate(folder);
    await writeFile(
      join(folder, 'exec'),
      `#!/bin/sh\ncase $1 in *wait*) ${gate.wait}; exit 7;; esac\necho "$1"\n`,
    );
    await chmod(join(folder, 'exec'), 0o755);
    await until('the main thread starts it', async () => {
      const before = await directs();
      await run('{"value":{}}');
      return (await directs()) > before;
    });
    const waiting = run('{"value":{"wait":1}}');
    await gate.arrivals(1);
    child.send('kill-worker');
    await until('the worker is gone', async () =>
      /hyperskeleton_workers_lost_total 1\n/.test(await metrics()),
    );
    gate.open();
    // Its exit is known: nobody else has reaped it.
    expect(JSON.parse(await waiting)).toEqual({ error: 'The action did not return a dictionary or array.' });
    for (let count = 0; count < 5; count++)
      expect(await run(`{"value":{"count":${count}}}`)).toBe(`{"count":${count}}`);
    await until('the main thread starts it again', async () => {
      const before = await directs();
      await run('{"value":{}}');
      return (await directs()) > before;
    });
  } finally {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
});

it('an ActionLoop process of a dead worker thread is killed, and another takes its place', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-pool-'));
  const arguments_ = [HARNESS, folder, 'posix_spawn', 'actionloop'];
  const child = spawn(process.execPath, arguments_, { stdio: ['pipe', 'ignore', 'ignore', 'ipc'] });
  try {
    const port = await new Promise<number>((resolve, reject) => {
      child.once('message', (message) => resolve((message as { port: number }).port));
      child.once('exit', (code) => reject(new Error(`the harness ended: ${code}`)));
    });
    const post = (path: string, body: unknown): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body: JSON.stringify(body) });
    const gate = new Gate(folder);
    const code = `#!/bin/sh\nwhile read -r line; do case $line in *wait*) ${gate.wait};; esac; echo "[$$]" >&3; done\n`;
    expect((await post('/init', { value: { code } })).status).toBe(200);
    const [pid] = (await (await post('/run', {})).json()) as [number];
    const fds = (): number => readdirSync(`/proc/${child.pid}/fd`).length;
    const before = fds();
    const waiting = post('/run', { value: { wait: 1 } });
    await gate.arrivals(1);
    child.send('kill-worker');
    const answer = await waiting;
    expect([answer.status, await answer.json()]).toEqual([400, { error: 'command exited' }]);
    await until('its process is gone', () => !isAlive(pid));
    const after = await post('/run', {});
    expect(after.status).toBe(200);
    expect(await after.json()).not.toEqual([pid]);
    await untilDescriptors(child.pid as number, before + 6);
    gate.open();
  } finally {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
});
