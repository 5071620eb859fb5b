import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { compileAction } from '../support/run-programs.js';
import { ENGINES, RunServer, SENTINEL } from '../support/run-server.js';
import { Collected, until } from '../support/waiting.js';

const RUNS = 50;
const LINES = 200;
const ECHO = '#!/bin/sh\nread -r line\necho out\necho err >&2\necho "$line"\n';

describe.each(ENGINES)('logs of runs at the same time (%s)', (engine) => {
  let server: RunServer;
  let noisy: string;

  beforeAll(async () => {
    noisy = await compileAction('noisy');
  });
  afterEach(() => server.stop());

  /** Each line that the program `noisy` writes for an id on a stream, in order. */
  function linesOf(id: string, stream: string): string[] {
    return Array.from({ length: LINES }, (_, line) => {
      const filling = String.fromCharCode(97 + (line % 26)).repeat((line * 37) % 150);
      return `${id} ${stream} ${line} ${filling}`;
    });
  }

  async function runNoisy(): Promise<void> {
    await server.installProgram(noisy);
    const ids = Array.from({ length: RUNS }, (_, at) => `run${at}`);
    const answers = await Promise.all(ids.map((id) => server.run({ id, lines: LINES })));
    expect(answers.map(({ body }) => body.toString())).toEqual(ids.map((id) => `{"id":"${id}"}`));
  }

  /** Every line is there once, whole, and those of a run in its order; so many sentinels, each after its run. */
  function expectWhole(log: string, streams: readonly string[], sentinels: number): void {
    const lines = log.split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.filter((line) => line === SENTINEL).length).toBe(sentinels);
    expect(lines.length).toBe(RUNS * LINES * streams.length + sentinels);
    const own = new Map<string, string[]>();
    for (const line of lines) {
      if (line === SENTINEL) continue;
      const [id, stream] = line.split(' ', 2);
      const key = `${id} ${stream}`;
      const before = own.get(key);
      if (before === undefined) own.set(key, [line]);
      else before.push(line);
    }
    expect(own.size).toBe(RUNS * streams.length);
    for (const stream of streams) {
      for (let at = 0; at < RUNS; at++) {
        expect(own.get(`run${at} ${stream}`)).toEqual(linesOf(`run${at}`, stream));
      }
    }
    // The last line of all is a sentinel: none comes after its run's end.
    expect(lines.at(-1)).toBe(SENTINEL);
  }

  it('C-LOG-05: lines are never torn, lost or put out of order, into files', async () => {
    server = await RunServer.start({ engine });
    await runNoisy();
    const { stdout, stderr } = server.takeLogs();
    expectWhole(stdout.toString(), ['stdout'], RUNS);
    expectWhole(stderr.toString(), ['stderr'], RUNS);
  });

  it('C-LOG-05: nor into pipes', async () => {
    server = await RunServer.start({ engine, logs: 'pipes' });
    const [stdout, stderr] = [new Collected(server.stdout), new Collected(server.stderr)];
    await runNoisy();
    await stdout.waitFor(`${SENTINEL}\n`, RUNS);
    await stderr.waitFor(`${SENTINEL}\n`, RUNS);
    expectWhole(stdout.text, ['stdout'], RUNS);
    expectWhole(stderr.text, ['stderr'], RUNS);
  });

  it('C-LOG-05: nor into one pipe that is both', async () => {
    server = await RunServer.start({ engine, logs: 'pipes', launcher: 'exec "$@" 2>&1' });
    const both = new Collected(server.stdout);
    await runNoisy();
    await both.waitFor(`${SENTINEL}\n`, 2 * RUNS);
    expectWhole(both.text, ['stdout', 'stderr'], 2 * RUNS);
  });

  it('C-LOG-01: a reader that stops holds back actions only: HTTP answers, and then nothing is lost', async () => {
    server = await RunServer.start({ engine, logs: 'pipes' });
    const stderr = new Collected(server.stderr);
    await server.installProgram(noisy);
    let answered = 0;
    const answers = Array.from({ length: RUNS }, (_, at) =>
      server.run({ id: `run${at}`, lines: LINES }).finally(() => {
        answered++;
      }),
    );
    // Nobody reads stdout; what stands still is known by the progress of stderr.
    let seen = -1;
    let quiet = 0;
    await until('the logs stand still', () => {
      quiet = stderr.bytes.length === seen ? quiet + 1 : 0;
      seen = stderr.bytes.length;
      return seen > 0 && quiet > 20;
    });
    expect(answered).toBeLessThan(RUNS);
    for (const path of ['/healthz', '/readyz', '/metrics']) expect(await server.get(path)).toBe(200);
    expect((await server.post('/nowhere', '{}')).status).toBe(404);
    const stdout = new Collected(server.stdout);
    for (const { status } of await Promise.all(answers)) expect(status).toBe(200);
    await stdout.waitFor(`${SENTINEL}\n`, RUNS);
    await stderr.waitFor(`${SENTINEL}\n`, RUNS);
    expectWhole(stdout.text, ['stdout'], RUNS);
    expectWhole(stderr.text, ['stderr'], RUNS);
  });

  it('C-LOG-01: readers that go away (EPIPE) while runs log: they and later ones are answered', async () => {
    server = await RunServer.start({ engine, logs: 'pipes' });
    const [stdout, stderr] = [new Collected(server.stdout), new Collected(server.stderr)];
    await server.installProgram(noisy);
    const running = Array.from({ length: RUNS }, (_, at) => server.run({ id: `run${at}`, lines: LINES }));
    await stdout.waitFor(' stdout ');
    await stderr.waitFor(' stderr ');
    server.stdout.destroy();
    server.stderr.destroy();
    for (const { status } of await Promise.all(running)) expect(status).toBe(200);
    await server.install(ECHO);
    for (let at = 0; at < 5; at++) expect((await server.run({ at })).body.toString()).toBe(`{"at":${at}}`);
    expect(server.process.exitCode).toBeNull();
  });

  it('C-LOG-01: one reader that goes away leaves the other stream complete', async () => {
    server = await RunServer.start({ engine, logs: 'pipes' });
    const stderr = new Collected(server.stderr);
    server.stdout.destroy();
    await runNoisy();
    await stderr.waitFor(`${SENTINEL}\n`, RUNS);
    expectWhole(stderr.text, ['stderr'], RUNS);
  });

  it('C-LOG-01: streams that are closed from the start', async () => {
    server = await RunServer.start({ engine, launcher: 'exec "$@" >&- 2>&-' });
    await server.install(ECHO);
    for (let at = 0; at < 5; at++) {
      const answer = await server.run({ at });
      expect([answer.status, answer.body.toString()]).toEqual([200, `{"at":${at}}`]);
    }
  });

  it('C-LOG-01: a device that is full (ENOSPC)', async () => {
    server = await RunServer.start({ engine, launcher: 'exec "$@" >/dev/full 2>/dev/full' });
    await server.install(ECHO);
    for (let at = 0; at < 5; at++) expect((await server.run({ at })).body.toString()).toBe(`{"at":${at}}`);
  });
});
