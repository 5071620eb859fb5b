import { copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveBody, script, zipOf } from '../../support/archives.js';
import { RunServer } from '../../support/run-server.js';
import { OPENMETRICS, type Scraped, scrape } from '../../support/scrape.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';

describe.each(['forkserver', 'posix_spawn'])('what is recorded of activations and inits (%s)', (engine) => {
  let server: RunServer;
  let page: Scraped;

  beforeAll(async () => {
    server = await RunServer.start({ engine });
    await server.post('/init', archiveBody(zipOf([script('exec', 'echo "{\\"a\\":12345}"')])));
    copyFileSync(server.exec, join(server.actionRoot, 'unpacked'));
    await server.run({ some: 'argument' }, { activation_id: 'abc-1' });
    await server.install('#!/bin/sh\necho nothing\n');
    await server.run();
    await server.install('#!/bin/sh\necho "{}" >&2\nkill -KILL $$\n');
    await server.run();
    await server.install('#!/bin/sh\necho "{\\"error\\":\\"of my own\\"}"\n');
    await server.run();
    await server.install('#!/bin/sh\necho nothing\n');
    await server.runBody('no JSON');
    await server.get('/nowhere');
    await server.get('/run');
    await server.post('/init', '{}');
    page = await scrape(server.port);
  });
  afterAll(() => server.stop());

  it.each([
    ['run_invalid_result', 'action', 1],
    ['run_killed', 'action', 1],
    ['run_bad_json', 'caller', 1],
    ['not_found', 'caller', 1],
    ['method_not_allowed', 'caller', 1],
    ['init_twice', 'caller', 1],
    ['worker_lost', 'runtime', 0],
  ])('%s, the fault of %s, was counted %i times', (code, fault, times) => {
    expect(page.value(`hyperskeleton_failures_total{code="${code}",fault="${fault}"}`)).toBe(times);
  });

  it.each([
    ['ok', 1],
    ['action_error', 1],
    ['invalid_result', 1],
    ['killed', 1],
    ['refused', 1],
    ['timeout', 0],
  ])('the outcome %s was counted %i times', (outcome, times) => {
    expect(page.value(`hyperskeleton_activations_total{outcome="${outcome}"}`)).toBe(times);
  });

  it('tells cause and fault in the answer too', async () => {
    const { headers } = await server.run();
    expect(headers).toMatchObject({
      'x-hyperskeleton-cause': 'run_invalid_result',
      'x-hyperskeleton-fault': 'action',
    });
    expect(headers).not.toHaveProperty('x-hyperskeleton-error');
    const refused = await server.runBody('no JSON');
    expect(refused.headers).toMatchObject({
      'x-hyperskeleton-cause': 'run_bad_json',
      'x-hyperskeleton-fault': 'caller',
      'x-hyperskeleton-error': 'run_bad_json',
    });
  });

  it('has the sizes of arguments, results and code', () => {
    const results = '{"a":12345}{"error":"of my own"}'.length;
    expect(page.value('hyperskeleton_result_bytes_sum')).toBe(results);
    expect(page.value('hyperskeleton_result_bytes_bucket{le="64"}')).toBe(2);
    expect(page.value('hyperskeleton_argument_bytes_sum')).toBe('{"some":"argument"}{}{}{}'.length);
    expect(page.value('hyperskeleton_init_code_bytes_count')).toBe(1);
    expect(page.value('hyperskeleton_init_code_bytes_sum')).toBeGreaterThan(100);
    expect(page.value('hyperskeleton_init_unpacked_bytes_count')).toBe(1);
    expect(page.value('hyperskeleton_init_unpacked_bytes_sum')).toBe(
      statSync(join(server.actionRoot, 'unpacked')).size,
    );
  });

  it('has the time of an install apart from the time of the init', () => {
    const install = page.value('hyperskeleton_init_install_seconds_sum') ?? 0;
    expect(page.value('hyperskeleton_init_install_seconds_count')).toBe(1);
    expect(install).toBeGreaterThan(0);
    expect(page.value('hyperskeleton_init_duration_seconds_sum')).toBeGreaterThan(install);
  });

  it('has the memory of the processes', () => {
    expect(page.value('hyperskeleton_child_max_resident_bytes_count')).toBe(4);
    expect(page.value('hyperskeleton_child_max_resident_bytes_sum')).toBeGreaterThan(4 * 2 ** 20);
  });

  it('has limits, threads, and the start by phase', () => {
    expect(page.value('hyperskeleton_admission_limit')).toBeGreaterThan(0);
    expect(page.value('hyperskeleton_queue_limit')).toBeGreaterThan(0);
    expect(page.value('hyperskeleton_worker_tasks{thread="worker-1"}')).toBe(0);
    for (const thread of ['main', 'worker-1']) {
      const ratio = page.value(`hyperskeleton_event_loop_utilization_ratio{thread="${thread}"}`);
      expect(ratio).toBeGreaterThanOrEqual(0);
      expect(ratio).toBeLessThanOrEqual(1);
    }
    const phases = ['node', 'prepare', 'load', 'listen', 'worker'].map(
      (phase) => page.value(`hyperskeleton_startup_seconds{phase="${phase}"}`) ?? Number.NaN,
    );
    const total = page.value('hyperskeleton_startup_seconds{phase="total"}') ?? 0;
    expect(phases.reduce((sum, seconds) => sum + seconds, 0)).toBeCloseTo(total, 3);
  });

  it('has no line for what there is not', () => {
    const prepares = page.series.some((series) => series.startsWith('hyperskeleton_prewarm_'));
    expect(prepares).toBe(engine === 'forkserver');
    expect(page.series.filter((series) => series.startsWith('nodejs_eventloop_lag'))).toEqual([]);
  });

  it('names activations in exemplars, by their trace where there is one', async () => {
    const find = async (): Promise<string[]> =>
      (await scrape(server.port, OPENMETRICS)).text.split('\n').filter((line) => line.includes(' # {'));
    expect((await find()).join('\n')).toMatch(
      /_bucket\{phase="total",le="[^"]+"\} \d+ # \{activation_id="abc-1"\} [\d.e-]+ [\d.]+$/m,
    );
    await server.post('/run', '{}', { traceparent: `00-${TRACE}-b7ad6b7169203331-01` });
    expect((await find()).join('\n')).toContain(`# {trace_id="${TRACE}"} `);
  });
});
