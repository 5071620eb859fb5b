import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAlive, until } from '../support/waiting.js';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';
const CLIENTS = 8;
const DEATHS = 4;
/** Answers between two deaths: the threads that came for the dead ones serve, and are under load. */
const ANSWERS_BETWEEN = 30;
const WAYS = ['exception', 'rejection', 'exit', 'terminate', 'memory'] as const;
const LOST: Readonly<Record<string, readonly [status: number, error: string]>> = {
  classic: [500, 'The worker thread that ran the activation died.'],
  actionloop: [400, 'command exited'],
};

interface Answer {
  readonly token: string;
  readonly status: number;
  readonly text: string;
}

let folder: string;
let child: ChildProcess;
let port: number;
const agent = new Agent({ keepAlive: true });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-pool-'));
});
afterEach(() => {
  child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the harness, whose logs go to the files `out` and `err`. */
async function start(engine: string, protocol: string, way: string): Promise<void> {
  const heap = way === 'memory' ? { WORKER_HEAP_MB: '48' } : {};
  // A thread that is ended from outside while it loads a native library is another matter.
  const threads = way === 'terminate' ? '1' : '2';
  const run = `exec "$0" --import "$1" "$2" "$3" "$4" "$5" 0 ${threads} >"$3/out" 2>"$3/err"`;
  const parts = [process.execPath, fixture('dying-worker.mjs'), fixture('pool-harness.mjs')];
  child = spawn('sh', ['-c', run, ...parts, folder, engine, protocol], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, ...heap },
  });
  port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve((message as { port: number }).port));
    child.once('exit', (code) => reject(new Error(`the harness ended: ${code}`)));
  });
}

function post(path: string, body: unknown): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method: 'POST', agent }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}

function linesOf(name: string): string[] {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}

const sentinels = (name: string): number => linesOf(name).filter((line) => line === SENTINEL).length;

async function lostWorkers(): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/hyperskeleton_workers_lost_total (\d+)/.exec(page)?.[1]);
}

/** Clients that send one activation after the other, while threads die. */
async function runThroughDeaths(way: string): Promise<Answer[]> {
  const answers: Answer[] = [];
  let going = true;
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    for (let count = 0; going; count++) {
      const token = `t${client}x${count}.`;
      answers.push({ token, ...(await post('/run', { value: { token } })) });
    }
  });
  const all = Promise.all(clients);
  const deaths = async (): Promise<void> => {
    for (let death = 0; death < DEATHS; death++) {
      const before = answers.filter(({ status }) => status === 200).length;
      await until('runs are answered', () => {
        return answers.filter(({ status }) => status === 200).length >= before + ANSWERS_BETWEEN;
      });
      const lost = await lostWorkers();
      child.send(way === 'terminate' ? 'kill-worker' : { die: way });
      await until('threads have died', async () => (await lostWorkers()) > lost);
    }
  };
  try {
    // A client fails at once if the server has died.
    await Promise.race([deaths(), all]);
  } finally {
    going = false;
  }
  await all;
  return answers;
}

const NOTE = `echo "\${1:-$line}" | sed -n 's/.*"token":"\\([^"]*\\)".*/\\1/p' >> "$0.runs"; echo $$ >> "$0.pids"`;

describe.each(['forkserver', 'posix_spawn', 'child_process'])(
  'threads that die under load (%s)',
  (engine) => {
    it.each(WAYS)('%s: costs their activations only, each with its sentinel', async (way) => {
      await start(engine, 'classic', way);
      const exec = join(folder, 'exec');
      writeFileSync(exec, `#!/bin/sh\n${NOTE}\necho '{}'\n`);
      chmodSync(exec, 0o755);
      await check(way, 'classic', exec);
    });

    // With child_process its processes are the main thread's.
    const actionloopWays = engine === 'child_process' ? [] : ['exception', 'terminate'];
    it.each(actionloopWays)('actionloop, %s: no request is run twice', async (way) => {
      await start(engine, 'actionloop', way);
      const notes = join(folder, 'notes');
      const code = `#!/bin/sh\nwhile read -r line; do ${NOTE.replaceAll('$0', notes)}; echo '{}' >&3; done\n`;
      expect((await post('/init', { value: { code } })).status).toBe(200);
      await check(way, 'actionloop', notes);
    });
  },
);

async function check(way: string, protocol: string, notes: string): Promise<void> {
  const before = sentinels('out');
  const answers = await runThroughDeaths(way);
  const [status, error] = LOST[protocol] as (typeof LOST)[string];
  for (const answer of answers) {
    if (answer.status === 200) expect(JSON.parse(answer.text)).toEqual({});
    else expect([answer.status, JSON.parse(answer.text)]).toEqual([status, { error }]);
  }
  const runs = linesOf(notes.slice(folder.length + 1).concat('.runs'));
  expect(new Set(runs).size).toBe(runs.length);
  for (const { token, status: got } of answers) if (got === 200) expect(runs).toContain(token);
  for (const name of ['out', 'err']) {
    await until('each activation has its sentinel', () => sentinels(name) - before >= answers.length);
    // A log that its thread had ended before it died, unanswered, is ended once more.
    const lost = answers.filter((answer) => answer.status !== 200).length;
    expect(sentinels(name) - before).toBeLessThanOrEqual(answers.length + lost);
  }
  expect((await post('/run', { value: {} })).status).toBe(200);
  const pids = linesOf(notes.slice(folder.length + 1).concat('.pids')).map(Number);
  if (protocol === 'classic') await until('no process is left', () => !pids.some(isAlive));
}
