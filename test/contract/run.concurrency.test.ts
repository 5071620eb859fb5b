import { readFileSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-http.js';
import { compileAction, readProbe } from '../support/run-programs.js';
import { ENGINES, RunServer, SENTINEL } from '../support/run-server.js';
import { childrenOf, Gate, until } from '../support/waiting.js';

const ECHO = '#!/bin/sh\nread -r line\necho "$line"\n';

const sentinelsIn = (log: Buffer): number =>
  log.toString().match(new RegExp(`^${SENTINEL}$`, 'gm'))?.length ?? 0;

describe.each(ENGINES)('runs at the same time (%s)', (engine) => {
  let server: RunServer;
  let probe: string;

  beforeAll(async () => {
    probe = await compileAction('probe');
  });
  afterEach(() => server.stop());

  it('C-SRV-10: 20 runs of 0.7 s end in under 3 s', async () => {
    server = await RunServer.start({ engine });
    await server.install('#!/bin/sh\nread -r line\nsleep 0.7\necho "$line"\n');
    const begunMs = performance.now();
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => server.run({ at })));
    expect(performance.now() - begunMs).toBeLessThan(3000);
    expect(answers.map(({ body }) => body.toString())).toEqual(answers.map((_, at) => `{"at":${at}}`));
  });

  it('C-SRV-10: 200 runs are in flight on two worker threads, and others are served meanwhile', async () => {
    server = await RunServer.start({ engine, flags: ['--threads', '2'] });
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\nread -r line\nid=$line\n${gate.wait}\necho "$id"\n`);
    const threads = threadsOf(server.pid);
    const answers = Array.from({ length: 200 }, (_, at) => server.run({ at }));
    await gate.arrivals(200);
    expect(childrenOf(server.pid).length).toBe(200);
    // A run that waits takes no thread; those of Node's pool for file work are few and come with either engine.
    expect(threadsOf(server.pid) - threads).toBeLessThan(8);
    await server.install(ECHO);
    expect((await server.run({ meanwhile: 1 })).body.toString()).toBe('{"meanwhile":1}');
    expect(await server.get('/healthz')).toBe(200);
    gate.open();
    const bodies = (await Promise.all(answers)).map(({ status, body }) => `${status} ${body.toString()}`);
    expect(bodies).toEqual(answers.map((_, at) => `200 {"at":${at}}`));
    const { stdout, stderr } = server.takeLogs();
    expect([sentinelsIn(stdout), sentinelsIn(stderr)]).toEqual([201, 201]);
  });

  it('C-SRV-10: each of 300 runs gets its own answer, argument and environment', async () => {
    server = await RunServer.start({ engine });
    await server.installProgram(probe);
    const wanted = Array.from({ length: 300 }, (_, at) => at);
    const next = async (): Promise<void> => {
      for (let at = wanted.pop(); at !== undefined; at = wanted.pop()) {
        const { body } = await server.run(
          { at, filling: 'x'.repeat((at * 997) % 90_000) },
          { activation_id: `id-${at}` },
        );
        const seen = readProbe(body);
        expect(JSON.parse(seen.stdin.toString())).toMatchObject({ at });
        expect(seen.argv[1]?.equals(seen.stdin)).toBe(true);
        expect(seen.environment.map(String)).toContain(`__OW_ACTIVATION_ID=id-${at}`);
      }
    };
    await Promise.all(Array.from({ length: 24 }, next));
  });

  it('C-RUN-15: the action is replaced again and again under load: each run is one version or the next', async () => {
    server = await RunServer.start({ engine });
    let version = 0;
    const install = (): Promise<void> => server.install(`#!/bin/sh\necho '{"version":${++version}}'\n`);
    await install();
    let done = false;
    const run = async (): Promise<void> => {
      while (!done) {
        const atLeast = version;
        const { status, body } = await server.run();
        expect(status).toBe(200);
        const { version: seen } = JSON.parse(body.toString()) as { version: number };
        expect(seen).toBeGreaterThanOrEqual(atLeast - 1);
        expect(seen).toBeLessThanOrEqual(version);
      }
    };
    const runs = Array.from({ length: 8 }, run);
    for (let count = 0; count < 60; count++) {
      await install();
      expect((await server.run()).status).toBe(200);
    }
    done = true;
    await Promise.all(runs);
  });

  it('more runs than the limit on open files allows: they wait or are refused, none fails', async () => {
    server = await RunServer.start({ engine, launcher: 'ulimit -n 512; exec "$@"' });
    await server.install('#!/bin/sh\nread -r line\nsleep 0.1\necho "$line"\n');
    const answers = await Promise.all(Array.from({ length: 400 }, (_, at) => server.run({ at })));
    for (const [at, { status, body }] of answers.entries()) {
      if (status === 429) continue;
      expect([status, body.toString()]).toEqual([200, `{"at":${at}}`]);
    }
    expect((await server.run({ next: 1 })).body.toString()).toBe('{"next":1}');
  });

  it('C-SRV-12: clients that leave during their runs: the runs end, their logs too, others are unharmed', async () => {
    server = await RunServer.start({ engine });
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\necho begun >&2\n${gate.wait}\necho ended >&2\necho "{}"\n`);
    const body = '{"value":{}}';
    const leaving = await Promise.all(Array.from({ length: 10 }, () => RawConnection.open(server.port)));
    for (const connection of leaving) {
      connection.send(`POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    }
    const staying = Array.from({ length: 10 }, () => server.run());
    await gate.arrivals(20);
    for (const connection of leaving) connection.close();
    await server.install(ECHO);
    expect((await server.run({ next: 1 })).body.toString()).toBe('{"next":1}');
    gate.open();
    for (const { status } of await Promise.all(staying)) expect(status).toBe(200);
    await until('every child has ended', () => childrenOf(server.pid).length === 0);
    let stderr = Buffer.alloc(0);
    await until('every log has ended', () => {
      stderr = Buffer.concat([stderr, server.takeLogs().stderr]);
      return sentinelsIn(stderr) === 21;
    });
    expect(stderr.toString().match(/^ended$/gm)?.length).toBe(20);
  });

  it('C-SRV-06: pipelined runs: never a swapped answer; each that was begun is finished and logged', async () => {
    server = await RunServer.start({ engine });
    await server.install('#!/bin/sh\nread -r line\necho "$line" >&2\necho "$line"\n');
    let sent = 0;
    for (let round = 0; round < 10; round++) {
      const connection = await RawConnection.open(server.port);
      const ids = [sent++, sent++, sent++];
      const requests = ids.map((id) => {
        const body = `{"value":{"id":${id}}}`;
        return `POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      });
      connection.send(requests.join(''));
      for (const id of ids) {
        const answer = await connection.answer();
        if (answer === undefined) break;
        expect(answer.body.toString()).toBe(`{"id":${id}}`);
      }
      connection.close();
    }
    expect((await server.run({ id: 'last' })).body.toString()).toBe('{"id":"last"}');
    // At least the first of each connection has begun, though nobody may have got its answer.
    let log = Buffer.alloc(0);
    const begun = (): string[] => log.toString().match(/^\{.*$/gm) ?? [];
    await until('every log has ended', () => {
      log = Buffer.concat([log, server.takeLogs().stderr]);
      return begun().length > 10 && begun().length === sentinelsIn(log);
    });
    expect(new Set(begun()).size, 'none was run twice').toBe(begun().length);
  });
});

function threadsOf(pid: number): number {
  return Number(/^Threads:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
}
