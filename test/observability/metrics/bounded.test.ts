import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { RunServer } from '../../support/run-server.js';
import { OPENMETRICS, scrape } from '../../support/scrape.js';
import { until } from '../../support/waiting.js';

/** What breaks the format of the page where it gets into it, and what would be a series of its own. */
const HOSTILE = ['"} 1\nevil_total 1', '\\', 'x'.repeat(10_000), '\u0000\ud800', '__proto__', 'constructor'];

describe('labels of /metrics', () => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine: 'posix_spawn', flags: ['--threads', '2'] });
    await server.install('#!/bin/sh\necho "$*"\n');
  });
  afterAll(() => server.stop());

  it('are the same whatever callers and actions send', async () => {
    await server.run();
    // The second thread starts when there is more to do than the first has taken.
    await vi.waitUntil(async () => {
      await Promise.all(Array.from({ length: 8 }, () => server.run()));
      const page = await scrape(server.port);
      return page.value('hyperskeleton_event_loop_lag_seconds{thread="worker-2"}') !== undefined;
    }, 10_000);
    const before = await scrape(server.port);
    for (const text of HOSTILE) {
      const context = { activation_id: text, action_name: text, namespace: text, transaction_id: text };
      await server.run({ [text]: text }, context);
      await server.runBody(`{"value":${JSON.stringify(text)}`);
      await server.runBody(JSON.stringify({ value: {}, [`a=${text}`]: 1 }));
      await server.post('/init', JSON.stringify({ value: { name: text, code: 5 } }));
      await server.get(`/${Buffer.from(text.slice(0, 100)).toString('hex')}`);
    }
    const after = await scrape(server.port);
    const own = (series: readonly string[]): string[] =>
      series.filter((one) => one.startsWith('hyperskeleton_'));
    expect(own(after.series)).toEqual(own(before.series));
    expect(after.text).not.toContain('evil');
  });

  it('and its exemplars have nothing but plain ids', async () => {
    for (const text of HOSTILE) await server.run({}, { activation_id: text });
    const { text } = await scrape(server.port, OPENMETRICS);
    const exemplars = text.split('\n').filter((line) => line.includes(' # '));
    for (const line of exemplars) expect(line).toMatch(/ # \{(trace|activation)_id="[\w-]{1,64}"\} \S+ \S+$/);
    expect(text).not.toContain('evil');
    const lines = text.trimEnd().split('\n');
    for (const line of lines.slice(0, -1)) {
      expect(line).toMatch(/^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{[^{}]*\})? \S+( # \{[^{}]*\} \S+ \S+)?)$/);
    }
    expect(lines.at(-1)).toBe('# EOF');
  });
});

describe('/metrics under load', () => {
  it('answers while activations run and wait', async () => {
    const server = await RunServer.start({ engine: 'posix_spawn', flags: ['--max-in-flight', '8'] });
    try {
      await server.install('#!/bin/sh\nsleep 0.05\necho "{}"\n');
      const load = Array.from({ length: 100 }, () => server.run());
      const seen: number[] = [];
      let over = false;
      const answers = Promise.all(load).then((all) => {
        over = true;
        return all;
      });
      while (!over) {
        const page = await scrape(server.port, seen.length % 2 === 0 ? '' : OPENMETRICS);
        seen.push(page.value('hyperskeleton_activations_queued') ?? Number.NaN);
        expect(page.value('hyperskeleton_activations_in_flight')).toBeLessThanOrEqual(8);
      }
      expect((await answers).every(({ status }) => status === 200)).toBe(true);
      expect(Math.max(...seen)).toBeGreaterThan(0);
      let page = await scrape(server.port);
      // A page may be a second old.
      await until('a page has them all', async () => {
        page = await scrape(server.port);
        return page.value('hyperskeleton_activations_total{outcome="ok"}') === 100;
      });
      expect(page.value('hyperskeleton_event_loop_lag_seconds{thread="main"}')).toBeGreaterThanOrEqual(0);
    } finally {
      await server.stop();
    }
  });
});

describe('HYPERSKELETON_METRICS_PORT', () => {
  it('takes /metrics off the port of the actions', async () => {
    const probe = await RunServer.start({ engine: 'posix_spawn' });
    const metricsPort = probe.port;
    await probe.stop();
    const server = await RunServer.start({
      engine: 'posix_spawn',
      env: { HYPERSKELETON_METRICS_PORT: String(metricsPort) },
    });
    try {
      expect(await server.get('/metrics')).toBe(404);
      const page = await scrape(metricsPort);
      expect(page.value('hyperskeleton_activations_in_flight')).toBe(0);
    } finally {
      await server.stop();
    }
  });
});
