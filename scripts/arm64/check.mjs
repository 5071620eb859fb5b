// In the machine that machine.sh makes: two servers, one for each engine, run every program; what they answer and log,
// and how their processes end, must be the same, and those of the fork server must have been clones.
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const RUNS = Number(process.argv[2]);
const COMMAND = '/opt/hyperskeleton/bin/hyperskeleton';
/** An emulated processor is slow. */
const PATIENCE_MS = 120_000;
const RANDOM_RUNS = 20;

const NATIVE = ['common', 'facts', 'threads', 'processes', 'memory', 'services', 'plusplus'];
const DEATHS = ['segv', 'abort', 'term', 'kill', 'pipe', 'fpe', 'none'];
const SCRIPTS = {
  dash: '#!/bin/dash\nread -r line; echo "$# $line $GREETING"; (exit 3); echo $?; trap "echo trapped; exit 5" TERM; kill -TERM $$\n',
  bash: '#!/bin/bash\nread -r line; declare -i sum=6*7; echo "$line $sum $BASH_VERSION"; ulimit -a; trap -p; cat <(echo substituted)\n',
  perl: '#!/usr/bin/perl\nmy @lines = <STDIN>; print "@ARGV ", scalar(@lines), "\\n"; my $pid = fork(); if (!$pid) { exit 4 } waitpid($pid, 0); print $? >> 8; exit 6;\n',
  node: '#!/usr/bin/node\nconsole.log(process.argv.length, process.env.__OW_ACTIVATION_ID); process.exitCode = 3;\n',
};

function programs() {
  const compiled = NATIVE.flatMap((name) => [`${name}-static`, `${name}-dynamic`]);
  return [
    ...[...compiled, 'facts-early'].map((name) => ({ name, path: `/zoo/${name}`, ways: [''] })),
    ...['signals-static', 'signals-dynamic'].map((name) => ({ name, path: `/zoo/${name}`, ways: DEATHS })),
    ...Object.entries(SCRIPTS).map(([name, text]) => ({ name, text, ways: [''] })),
  ];
}

class Server {
  #outAt = 0;
  #errAt = 0;

  constructor(engine, port) {
    this.engine = engine;
    this.port = port;
    this.folder = `/tmp/${engine}`;
    mkdirSync(`${this.folder}/action`, { recursive: true });
    const flags = ['--engine', engine, '--port', String(port), '--action-root', `${this.folder}/action`];
    this.process = spawn(COMMAND, ['serve', ...flags, '--threads', '1', '--log-file', `${this.folder}/log`], {
      stdio: ['ignore', openSync(`${this.folder}/out`, 'a'), openSync(`${this.folder}/err`, 'a')],
      env: { PATH: process.env.PATH, GREETING: 'grüße', HYPERSKELETON_LOG_LEVEL: 'debug' },
    });
  }

  async ready() {
    for (const begunMs = Date.now(); Date.now() - begunMs < PATIENCE_MS; await delay(100)) {
      if (this.process.exitCode !== null) throw new Error(`${this.engine} does not start`);
      const answer = await fetch(`http://127.0.0.1:${this.port}/readyz`).catch(() => undefined);
      if (answer?.status === 200) return;
    }
    throw new Error(`${this.engine} is not ready`);
  }

  install({ path, text }) {
    const next = `${this.folder}/next`;
    if (path === undefined) writeFileSync(next, text);
    else copyFileSync(path, next);
    chmodSync(next, 0o755);
    renameSync(next, `${this.folder}/action/exec`);
  }

  /** Answer and logs of one run, without what two servers differ in. */
  async run(value, context) {
    const body = JSON.stringify({ value, ...context });
    const answer = await fetch(`http://127.0.0.1:${this.port}/run`, { method: 'POST', body });
    const result = await answer.text();
    const [out, err] = ['out', 'err'].map((name) => readFileSync(`${this.folder}/${name}`));
    const seen = [answer.status, result, out.subarray(this.#outAt), err.subarray(this.#errAt)];
    this.#outAt = out.length;
    this.#errAt = err.length;
    const hide = (text) =>
      text.replaceAll(this.folder, 'FOLDER').replaceAll(String(this.process.pid), 'SERVER');
    return seen.map((part) => hide(String(part)));
  }

  /** Of each run what started it, and how its process ended. */
  starts() {
    const records = readFileSync(`${this.folder}/log`, 'utf8').split('\n').filter(Boolean);
    return records
      .map((line) => JSON.parse(line))
      .filter(({ engine, argumentBytes }) => engine !== undefined && argumentBytes !== undefined)
      .map(({ engine, refusal, exit }) => ({ engine, refusal, status: exit?.status, signal: exit?.signal }));
  }
}

async function compare(spawned, cloned, program) {
  for (const server of [spawned, cloned]) server.install(program);
  for (let run = 0; run < Math.max(RUNS, program.ways.length); run++) {
    const way = program.ways[run % program.ways.length];
    const value = { way, filler: 'x'.repeat((run * 131) % 700), run };
    const context = {
      activation_id: `id-${'y'.repeat(run % 40)}`,
      deadline: String(1_700_000_000_000 + run),
    };
    const [wanted, found] = await Promise.all([spawned.run(value, context), cloned.run(value, context)]);
    if (JSON.stringify(found) === JSON.stringify(wanted)) continue;
    console.log(
      `${program.name}, run ${run}: cloned ${JSON.stringify(found)}\nspawned ${JSON.stringify(wanted)}`,
    );
    return false;
  }
  return true;
}

/** How many different values each source of randomness has given; the first one is x86-64's canary. */
async function randomness(cloned) {
  cloned.install({ path: '/zoo/random-dynamic' });
  const lines = [];
  for (let run = 0; run < RANDOM_RUNS; run++)
    lines.push((await cloned.run({}, {}))[2].split('\n')[0].split(' '));
  return lines[0].map((_, at) => new Set(lines.map((values) => values[at])).size).slice(1);
}

async function main() {
  console.log(execFileSync(COMMAND, ['doctor'], { encoding: 'utf8', timeout: 2 * PATIENCE_MS }));
  const [spawned, cloned] = [new Server('posix_spawn', 8001), new Server('forkserver', 8002)];
  await Promise.all([spawned.ready(), cloned.ready()]);
  let same = true;
  for (const program of programs()) {
    const isSame = await compare(spawned, cloned, program);
    console.log(isSame ? 'the same' : 'DIFFERENT', program.name);
    same &&= isSame;
  }
  const ends = (starts) => JSON.stringify(starts.map(({ status, signal }) => ({ status, signal })));
  const starts = cloned.starts();
  const clones = starts.filter(({ engine }) => engine === 'forkserver').length;
  console.log(`${clones} of ${starts.length} processes were clones`);
  same &&= ends(starts) === ends(spawned.starts()) && clones === starts.length && clones > 0;
  const different = await randomness(cloned);
  console.log(`different values in ${RANDOM_RUNS} clones: ${different.join(', ')}`);
  same &&= different.every((count) => count === RANDOM_RUNS);
  for (const server of [spawned, cloned]) server.process.kill();
  process.exit(same ? 0 : 1);
}

await main();
