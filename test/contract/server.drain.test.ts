import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { archiveBody, script, textBody, zipOf } from '../support/archives.js';
import { RawConnection } from '../support/raw-http.js';
import { ENGINES, RunServer, SENTINEL } from '../support/run-server.js';
import { silence } from '../support/silence.js';
import { Gate, until } from '../support/waiting.js';

let server: RunServer | undefined;

async function start(
  engine: string,
  env: Record<string, string> = {},
  flags: string[] = [],
): Promise<RunServer> {
  server = await RunServer.start({ engine, env, flags });
  return server;
}

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

/** How the process ended, told apart from a death by a signal. */
async function endOf(running: RunServer): Promise<{ code: number | null; signal: string | null }> {
  const { process } = running;
  if (process.exitCode === null && process.signalCode === null) await once(process, 'exit');
  return { code: process.exitCode, signal: process.signalCode };
}

const GOOD_END = { code: 0, signal: null };
const NO_LOGS = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };

describe.each(ENGINES)('draining (%s)', (engine) => {
  it('C-SRV-11: activations that wait for their turn at SIGTERM are finished too', async () => {
    const running = await start(engine, { HYPERSKELETON_MAX_IN_FLIGHT: '1' });
    const gate = new Gate(running.folder);
    await running.install(`#!/bin/sh\n${gate.wait}\necho '{"first":1}'\n`);
    const first = running.run();
    await gate.arrivals(1);
    await running.install('#!/bin/sh\necho "waited" >&2\necho \'{"waited":1}\'\n');
    const waiting = [running.run(), running.run()];
    await until('two wait', async () => /_queued 2\n/.test(await metrics(running)));
    running.process.kill('SIGTERM');
    await until('it drains', async () => (await running.get('/readyz')) === 503);
    gate.open();
    expect((await first).body.toString()).toBe('{"first":1}');
    for (const answer of await Promise.all(waiting)) expect(answer.body.toString()).toBe('{"waited":1}');
    expect(await endOf(running)).toEqual(GOOD_END);
    expect(running.takeLogs()).toEqual({
      stdout: Buffer.from(`${SENTINEL}\n`.repeat(3)),
      stderr: Buffer.from(`${SENTINEL}\n${`waited\n${SENTINEL}\n`.repeat(2)}`),
    });
  });

  it('C-SRV-11: after a grace of 0 what runs is killed and answered, with what it has logged', async () => {
    const running = await start(engine, { HYPERSKELETON_GRACE_MS: '0' });
    const gate = new Gate(running.folder);
    await running.install(`#!/bin/sh\necho early >&2\n${gate.wait}\necho "{}"\n`);
    const held = running.run();
    await gate.arrivals(1);
    running.process.kill('SIGTERM');
    const answer = await held;
    expect([answer.status, answer.headers['x-hyperskeleton-error']]).toEqual([500, 'run_shutdown_killed']);
    expect(await endOf(running)).toEqual(GOOD_END);
    // C-RUN-18: what has no result logs its last line, an empty one where there was none.
    expect(running.takeRunLogs()).toEqual({ stdout: '\n', stderr: 'early\n' });
    gate.open();
  });

  it('C-SRV-11: many that ignore SIGTERM are all killed and all answered', async () => {
    const running = await start(engine, { HYPERSKELETON_GRACE_MS: '100' });
    const gate = new Gate(running.folder);
    await running.install(`#!/bin/sh\ntrap "" TERM INT HUP\n${gate.wait}\necho "{}"\n`);
    const held = Array.from({ length: 12 }, () => running.run());
    await gate.arrivals(12);
    running.process.kill('SIGTERM');
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual(held.map(() => 500));
    expect(await endOf(running)).toEqual(GOOD_END);
    const { stdout, stderr } = running.takeLogs();
    // C-RUN-18: an empty line of each.
    const lines = stdout.toString().split('\n').slice(0, -1).sort();
    expect(lines).toEqual([...Array<string>(12).fill(''), ...Array<string>(12).fill(SENTINEL)]);
    expect(stderr.toString()).toBe(`${SENTINEL}\n`.repeat(12));
    gate.open();
  });
});

describe('draining', () => {
  it('C-SRV-11: an init under way is finished and answered', async () => {
    const running = await start('posix_spawn');
    const data = {
      name: 'data',
      data: Buffer.alloc(8_000_000, 'a text that packs well, but not too well '),
      stored: true,
    };
    const init = running.post('/init', archiveBody(zipOf([script('exec', 'echo "{}"'), data])));
    await until('its staging folder is there', () => readdirSync(running.actionRoot).length > 1);
    running.process.kill('SIGTERM');
    expect((await init).status).toBe(200);
    expect(await endOf(running)).toEqual(GOOD_END);
    expect(running.takeLogs()).toEqual(NO_LOGS);
  });

  it('C-SRV-11: connections that only idle do not hold it back', async () => {
    const running = await start('posix_spawn');
    const idle = await RawConnection.open(running.port);
    const kept = await RawConnection.open(running.port);
    kept.send('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await kept.answer())?.status).toBe(200);
    running.process.kill('SIGTERM');
    expect(await endOf(running)).toEqual(GOOD_END);
    await Promise.all([idle.ended(), kept.ended()]);
  });

  it('C-SRV-11: an upload that never ends does not hold it back, and one that ends late is a 503', async () => {
    const running = await start('posix_spawn');
    const gate = new Gate(running.folder);
    await running.install(`#!/bin/sh\n${gate.wait}\necho "{}"\n`);
    const held = running.run();
    await gate.arrivals(1);
    const [stuck, late] = [await RawConnection.open(running.port), await RawConnection.open(running.port)];
    stuck.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"value"');
    late.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{"value"');
    running.process.kill('SIGTERM');
    await until('it drains', async () => (await running.get('/readyz')) === 503);
    late.send(':{}}');
    expect((await late.answer())?.status).toBe(503);
    gate.open();
    expect((await held).status).toBe(200);
    expect(await endOf(running)).toEqual(GOOD_END);
    expect(running.takeLogs().stdout.toString()).toBe(`${SENTINEL}\n`);
    stuck.close();
  });

  it('C-SRV-11: a refusal closes its connection', async () => {
    const running = await start('posix_spawn');
    const gate = new Gate(running.folder);
    await running.install(`#!/bin/sh\n${gate.wait}\necho "{}"\n`);
    const held = running.run();
    await gate.arrivals(1);
    const kept = await RawConnection.open(running.port);
    running.process.kill('SIGTERM');
    await until('it drains', async () => (await running.get('/readyz')) === 503);
    kept.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
    const answer = await kept.answer();
    expect([answer?.status, answer?.headers.get('connection')]).toEqual([503, 'close']);
    expect(await Promise.race([kept.ended().then(() => 'closed'), silence(running.port)])).toBe('closed');
    gate.open();
    expect((await held).status).toBe(200);
    expect(await endOf(running)).toEqual(GOOD_END);
  });

  it('C-SRV-11, C-SRV-03: SIGTERM while further worker threads start ends it in good order', async () => {
    // The threads after the first start when it serves: the delays spread the signal over their start.
    for (const delayMs of [0, 15, 45, 75, 110, 150]) {
      const running = await start('posix_spawn', {}, ['--threads', '16']);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      running.process.kill('SIGTERM');
      expect([delayMs, await endOf(running)]).toEqual([delayMs, GOOD_END]);
      expect(running.takeLogs()).toEqual(NO_LOGS);
      await running.stop();
    }
  });

  it('C-SRV-11: SIGTERM between many runs never loses one that was taken', async () => {
    const running = await start('posix_spawn');
    await running.post('/init', textBody('#!/bin/sh\ncat\n'));
    let answered = 0;
    const clients = Array.from({ length: 8 }, async (_, client) => {
      for (let count = 0; ; count++) {
        const value = { client, count };
        const answer = await running.run(value).catch((error: NodeJS.ErrnoException) => error);
        // The kernel resets what it has accepted for a listener that closes; the server never saw it.
        if (answer instanceof Error) return expect(answer.code).toMatch(/^ECONN(REFUSED|RESET)$/);
        if (answer.status === 503) continue;
        expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([200, value]);
        answered++;
      }
    });
    await until('they are under way', () => answered > 20);
    running.process.kill('SIGTERM');
    await Promise.all(clients);
    expect(await endOf(running)).toEqual(GOOD_END);
    for (const log of Object.values(running.takeLogs())) {
      expect(log.toString()).toBe(`${SENTINEL}\n`.repeat(answered));
    }
  });
});

async function metrics(running: RunServer): Promise<string> {
  return (await fetch(`http://127.0.0.1:${running.port}/metrics`)).text();
}
