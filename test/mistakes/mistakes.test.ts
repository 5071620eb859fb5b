import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { file } from '../support/repository.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';
import { until } from '../support/waiting.js';
import { MISTAKES } from './table.js';

const MAX_RESULT_BYTES = '2000';

describe.each(ENGINES)('mistakes that authors make are explained (%s)', (engine) => {
  let server: RunServer;
  let folder: string;
  let log: string;
  let defaultAction: Buffer;
  let logged = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-mistakes-'));
    log = join(folder, 'log');
    server = await RunServer.start({
      engine,
      env: {
        PROXY_ALLOW_REINIT: '1',
        HYPERSKELETON_LOG_FILE: log,
        HYPERSKELETON_MAX_RESULT_BYTES: MAX_RESULT_BYTES,
      },
    });
    defaultAction = readFileSync(server.exec);
  });
  beforeEach(() => server.install(defaultAction));
  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  function newRecords(): string {
    const text = readFileSync(log, 'utf8');
    const fresh = text.slice(logged);
    logged = text.length;
    return fresh;
  }

  it.each(MISTAKES)('$what', async ({ init, at, reason, sentence }) => {
    newRecords();
    const initialised = await server.post('/init', init);
    if (at === 'init') {
      expect(initialised.status).toBe(502);
      expect(JSON.parse(initialised.body.toString())).toEqual({ error: expect.stringMatching(sentence) });
      return;
    }
    expect([initialised.status, initialised.body.toString()]).toEqual([200, 'OK']);
    if (at === 'warning') {
      expect(initialised.headers['x-hyperskeleton-warning']).toBe(reason);
      expect(recordOf(newRecords(), 'warning')).toMatchObject({
        warning: reason,
        explanation: expect.stringMatching(sentence),
      });
      return;
    }
    expect(initialised.headers).not.toHaveProperty('x-hyperskeleton-warning');
    const { status, body, headers } = await server.run();
    expect([status, JSON.parse(body.toString())]).toEqual([
      502,
      { error: 'The action did not return a dictionary or array.' },
    ]);
    expect(headers['x-hyperskeleton-reason']).toBe(reason);
    expect(recordOf(newRecords(), 'reason')).toMatchObject({
      reason,
      explanation: expect.stringMatching(sentence),
    });
  });

  it('and are counted', async () => {
    const series = (at: string, metric: string, label: string): [string, number][] => {
      const reasons = MISTAKES.filter((mistake) => mistake.at === at).map(({ reason }) => reason);
      return [...new Set(reasons)].map((reason) => [
        `hyperskeleton_${metric}_total{${label}="${reason}"}`,
        reasons.filter((other) => other === reason).length,
      ]);
    };
    const expected = [
      ...series('run', 'result_failures', 'reason'),
      ...series('warning', 'init_warnings', 'warning'),
    ];
    // A page may be a second old.
    await until('all are counted', async () => {
      const page = await scrape(server.port);
      return expected.every(([name, count]) => page.value(name) === count);
    });
  });
});

/** The last record that has a member. */
function recordOf(text: string, member: string): unknown {
  const records = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  return records.findLast((record) => member in record);
}

describe('hyperskeleton invoke', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-mistakes-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(MISTAKES.filter(({ at }) => at === 'run'))('$what: says why', ({ init, reason, sentence }) => {
    const exec = join(folder, 'exec');
    writeFileSync(exec, (JSON.parse(init) as { value: { code: string } }).value.code, { mode: 0o755 });
    const args = ['invoke', exec, '--max-result-bytes', MAX_RESULT_BYTES];
    let failure: { status?: number; stderr?: string } = {};
    try {
      execFileSync(file('bin/hyperskeleton'), args, { encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      failure = error as typeof failure;
    }
    expect(failure.status).toBe(1);
    expect(failure.stderr).toMatch(new RegExp(`hyperskeleton: ${reason}: .*${sentence.source}`));
  });
});
