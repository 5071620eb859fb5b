import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { compileAction } from '../support/run-programs.js';
import { ENGINES, RunServer, SENTINEL } from '../support/run-server.js';
import { Collected, Gate } from '../support/waiting.js';

const MEGABYTE = 1 << 20;
const LINE_BYTES = 128;
const LIMIT_BYTES = 64 * 1024;
/** How much is logged, and how far the peak may rise: child_process makes garbage of every chunk for a while. */
const FLOODS = {
  forkserver: { megabytes: 64, maxGrowthBytes: 32 * MEGABYTE },
  posix_spawn: { megabytes: 64, maxGrowthBytes: 32 * MEGABYTE },
  child_process: { megabytes: 128, maxGrowthBytes: 80 * MEGABYTE },
};
const M_RESULT = 'The action did not return a dictionary or array.';

describe.each(ENGINES)('logs while the action runs (%s)', (engine) => {
  let server: RunServer;
  let flood: string;

  beforeAll(async () => {
    flood = await compileAction('flood');
  });
  afterEach(() => server.stop());

  it.each(['stdout', 'stderr'] as const)(
    'C-LOG-04: a line on %s comes before the action ends',
    async (name) => {
      server = await RunServer.start({ engine, logs: 'pipes' });
      const stream = new Collected(server[name]);
      const gate = new Gate(server.folder);
      const redirect = name === 'stderr' ? 'exec 3>&1 1>&2\n' : 'exec 3>&1\n';
      await server.install(`#!/bin/sh\n${redirect}echo marker\necho "{}"\n${gate.wait}\necho "{}" >&3\n`);
      const running = server.run();
      await stream.waitFor('marker\n');
      await gate.arrivals(1);
      expect(stream.text).not.toContain(SENTINEL);
      gate.open();
      expect((await running).status).toBe(200);
      await stream.waitFor(`${SENTINEL}\n`);
      expect(stream.text).toBe(`marker\n{}\n${SENTINEL}\n`);
    },
  );

  it('C-LOG-04: the line that may be the last is held back, until another begins', async () => {
    server = await RunServer.start({ engine, logs: 'pipes' });
    const stdout = new Collected(server.stdout);
    const [first, second] = [new Gate(server.folder), new Gate(server.folder)];
    await server.install(
      `#!/bin/sh\necho log\necho '{"maybe":1}'\n${first.wait}\nprintf '{'\n${second.wait}\necho '}'\n`,
    );
    const running = server.run();
    await stdout.waitFor('log\n');
    await first.arrivals(1);
    expect(stdout.text).toBe('log\n');
    first.open();
    await stdout.waitFor('{"maybe":1}\n');
    await second.arrivals(1);
    expect(stdout.text).toBe('log\n{"maybe":1}\n');
    second.open();
    expect((await running).body.toString()).toBe('{}');
    await stdout.waitFor(`${SENTINEL}\n`);
    expect(stdout.text).toBe(`log\n{"maybe":1}\n${SENTINEL}\n`);
  });

  it('C-LOG-04: megabytes of lines arrive complete, and the server does not grow by them', async () => {
    server = await RunServer.start({ engine, logs: 'pipes' });
    await server.installProgram(flood);
    const block = Buffer.alloc(MEGABYTE, 'x');
    for (let at = LINE_BYTES - 1; at < MEGABYTE; at += LINE_BYTES) block[at] = 0x0a;
    await expectFlood(server, FLOODS[engine], LINE_BYTES, block, '');
  });

  it('C-LOG-04: so does a single line of as much, longer than HYPERSKELETON_MAX_RESULT_BYTES', async () => {
    server = await RunServer.start({
      engine,
      logs: 'pipes',
      env: { HYPERSKELETON_MAX_RESULT_BYTES: String(LIMIT_BYTES) },
    });
    await server.installProgram(flood);
    await expectFlood(server, FLOODS[engine], 0, Buffer.alloc(MEGABYTE, 'x'), '\n');
  });

  it('C-LOG-04: a line that outgrows the limit is streamed while it is being written', async () => {
    server = await RunServer.start({
      engine,
      logs: 'pipes',
      env: { HYPERSKELETON_MAX_RESULT_BYTES: String(LIMIT_BYTES) },
    });
    const stdout = new Collected(server.stdout);
    const gate = new Gate(server.folder);
    await server.install(
      `#!/bin/sh\nhead -c ${2 * LIMIT_BYTES} /dev/zero | tr '\\0' x\n${gate.wait}\necho end\necho '{"a":1}'\n`,
    );
    const running = server.run();
    await stdout.waitFor('x'.repeat(2 * LIMIT_BYTES));
    gate.open();
    expect((await running).body.toString()).toBe('{"a":1}');
    await stdout.waitFor(`${SENTINEL}\n`);
    expect(stdout.text).toBe(`${'x'.repeat(2 * LIMIT_BYTES)}end\n${SENTINEL}\n`);
  });

  it('C-LOG-04: if it is the last, it is no result, though it is JSON', async () => {
    server = await RunServer.start({ engine, env: { HYPERSKELETON_MAX_RESULT_BYTES: String(LIMIT_BYTES) } });
    const result = `{"a":"${'x'.repeat(3 * LIMIT_BYTES)}"}`;
    await server.write('output', `first\n${result}\n`);
    await server.install('#!/bin/sh\nexec cat output\n');
    const answer = await server.run();
    expect([answer.status, answer.body.toString()]).toEqual([502, JSON.stringify({ error: M_RESULT })]);
    expect(server.takeRunLogs().stdout).toBe(`first\n${result}\n`);
  });

  it('C-LOG-04: megabytes on stderr without a line break arrive complete', async () => {
    server = await RunServer.start({ engine, logs: 'pipes' });
    await server.install(`#!/bin/sh\nhead -c ${16 * MEGABYTE} /dev/zero | tr '\\0' x >&2\necho "{}"\n`);
    const digest = digestOf(server.stderr);
    expect((await server.run()).status).toBe(200);
    const expected = createHash('sha1');
    const block = Buffer.alloc(MEGABYTE, 'x');
    for (let count = 0; count < 16; count++) expected.update(block);
    expected.update(`\n${SENTINEL}\n`);
    expect(await digest).toBe(expected.digest('hex'));
  });
});

/** Runs `flood`, and expects its log to be that many blocks and the ending, and the server's peak to stay low. */
async function expectFlood(
  server: RunServer,
  { megabytes, maxGrowthBytes }: { megabytes: number; maxGrowthBytes: number },
  line: number,
  block: Buffer,
  ending: string,
): Promise<void> {
  const digest = digestOf(server.stdout);
  const before = resetPeak(server.pid);
  const answer = await server.run({ megabytes, line });
  expect(answer.body.toString()).toBe(`{"flood":${megabytes}}`);
  expect(peakOf(server.pid) - before).toBeLessThan(maxGrowthBytes);
  const expected = createHash('sha1');
  for (let count = 0; count < megabytes; count++) expected.update(block);
  expect(await digest).toBe(expected.update(`${ending}${SENTINEL}\n`).digest('hex'));
}

/** The hash of a stream up to and with the first sentinel, without keeping it. */
function digestOf(stream: Readable): Promise<string> {
  const hash = createHash('sha1');
  let tail = '';
  return new Promise((resolve, reject) => {
    stream.once('close', () => reject(new Error('the stream ended before a sentinel came')));
    stream.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - SENTINEL.length - 1))).slice(
        -SENTINEL.length - 1,
      );
      if (tail === `${SENTINEL}\n`) resolve(hash.copy().digest('hex'));
    });
  });
}

/** Makes the kernel forget the peak of resident memory (proc(5), clear_refs), and tells what is resident now. */
function resetPeak(pid: number): number {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  return peakOf(pid);
}

function peakOf(pid: number): number {
  const kilobytes = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kilobytes) * 1024;
}
