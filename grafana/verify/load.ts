import { setTimeout as delay } from 'node:timers/promises';
import { memoryGroup } from './memory-group.js';
import { LoadedServer } from './server.js';

/**
 * An action whose every fate can be asked for: it logs, computes or sleeps, answers nothing, leaves a process
 * behind.
 */
const CLASSIC_ACTION = `#!/bin/sh
echo "started for $1" >&2
case "$1" in
  *nothing*) exit 1 ;;
  *sleep*) sleep 0.3 ;;
  *leave*) sleep 30 >/dev/null 2>&1 & ;;
  *busy*) i=0; while [ $i -lt 4000 ]; do i=$((i+1)); done ;;
esac
echo "{\\"answer\\": $1}"
`;

/** An ActionLoop action in the shell's own words; it can end by itself, and answer twice. */
const LOOP_ACTION = `#!/bin/sh
while read -r line; do
  case "$line" in
    *die*) exit 1 ;;
    *twice*) printf '%s\\n%s\\n' "$line" "$line" >&3 ;;
    *) printf '%s\\n' "$line" >&3 ;;
  esac
done
`;

/** Few places and a short queue, so that some requests have to wait and some are refused. */
const CLASSIC_FLAGS = [
  '--max-in-flight',
  '8',
  '--max-queued',
  '16',
  '--leftovers',
  'group',
  '--threads',
  '2',
];
const LOOP_FLAGS = [
  '--protocol',
  'actionloop',
  '--actionloop-processes',
  '2',
  '--max-in-flight',
  '8',
  '--max-queued',
  '16',
];

/** Both together, as in one container. */
const MEMORY_LIMIT_BYTES = 768 * 1024 * 1024;

/** What is asked for in turn; every value of every label is to be seen. */
const CLASSIC_MIX = ['plain', 'plain', 'busy', 'plain', 'busy', 'plain', 'leave', 'plain', 'busy', 'nothing'];

/** The servers that the dashboard's queries are tried on: one of each protocol. */
export interface Servers {
  readonly classic: LoadedServer;
  readonly loop: LoadedServer;
  /** Ends both. */
  stop(): Promise<void>;
}

/** Starts both in a folder of the caller's. */
export async function startServers(folder: string): Promise<Servers> {
  const env = { PROXY_ALLOW_REINIT: '1' };
  const group = memoryGroup(MEMORY_LIMIT_BYTES);
  const classic = await LoadedServer.start(folder, CLASSIC_FLAGS, env, group);
  const loop = await LoadedServer.start(folder, LOOP_FLAGS, env, group);
  return {
    classic,
    loop,
    async stop() {
      await Promise.all([classic.stop(), loop.stop()]);
      group?.remove();
    },
  };
}

/** Puts both under load for a time: with waves, so that the graphs have something to show. */
export async function load({ classic, loop }: Servers, seconds: number): Promise<void> {
  const until = Date.now() + seconds * 1000;
  await classic.post('/init', init(CLASSIC_ACTION));
  await loop.post('/init', init(LOOP_ACTION));
  await Promise.all([
    ...Array.from({ length: 5 }, (_, at) => calls(classic, until, at)),
    ...Array.from({ length: 3 }, (_, at) => loopCalls(loop, until, at)),
    bursts(classic, until),
    wrongRequests(classic, until),
    inits(classic, until),
  ]);
}

async function calls(server: LoadedServer, until: number, offset: number): Promise<void> {
  for (let count = offset; Date.now() < until; count++) {
    await server.post('/run', run(CLASSIC_MIX[count % CLASSIC_MIX.length] as string, count));
    await wave(offset);
  }
}

async function loopCalls(server: LoadedServer, until: number, offset: number): Promise<void> {
  for (let count = 0; Date.now() < until; count++) {
    const word = count % 400 === 399 ? 'die' : count % 50 === 49 ? 'twice' : 'plain';
    await server.post('/run', run(word, count));
    await wave(offset);
  }
}

/** More at a time than there are places and queue. */
async function bursts(server: LoadedServer, until: number): Promise<void> {
  while (Date.now() < until) {
    await Promise.all(Array.from({ length: 40 }, (_, at) => server.post('/run', run('sleep', at))));
    await delay(4000);
  }
}

async function wrongRequests(server: LoadedServer, until: number): Promise<void> {
  while (Date.now() < until) {
    await server.post('/run', 'no JSON');
    await delay(400);
  }
}

async function inits(server: LoadedServer, until: number): Promise<void> {
  while (Date.now() < until) {
    await server.post('/init', init(CLASSIC_ACTION));
    await delay(700);
  }
}

/** Each caller pauses at a rhythm of its own. */
function wave(offset: number): Promise<void> {
  const phase = Math.sin(Date.now() / 3000 + offset);
  return delay(4 + Math.round(8 * (1 + phase)));
}

function init(code: string): string {
  return JSON.stringify({ value: { name: 'load', main: 'main', code, binary: false } });
}

function run(word: string, count: number): string {
  return JSON.stringify({ value: { word, padding: 'x'.repeat((count % 16) * 64) } });
}
