import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunServer } from '../../support/run-server.js';

describe('GET /metrics', () => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine: 'posix_spawn' });
    await server.install('#!/bin/sh\necho logged\necho "{}"\n');
    for (let count = 0; count < 3; count++) await server.run();
    await server.install('#!/bin/sh\necho nothing\n');
    await server.run();
    await server.runBody('no JSON');
    await server.post('/init', '{}');
  });
  afterAll(() => server.stop());

  async function scrape(accept = ''): Promise<{ type: string; text: string }> {
    const answer = await fetch(`http://127.0.0.1:${server.port}/metrics`, { headers: { Accept: accept } });
    return { type: answer.headers.get('content-type') ?? '', text: await answer.text() };
  }

  it('counts activations and inits by outcome, and adds up durations', async () => {
    const { type, text } = await scrape();
    expect(type).toMatch(/^text\/plain; version=0\.0\.4/);
    for (const line of [
      'hyperskeleton_activations_total{outcome="ok"} 3',
      'hyperskeleton_activations_total{outcome="invalid_result"} 1',
      'hyperskeleton_activations_total{outcome="refused"} 1',
      'hyperskeleton_activations_total{outcome="internal"} 0',
      'hyperskeleton_activation_duration_seconds_count{phase="total"} 5',
      'hyperskeleton_activation_duration_seconds_count{phase="run"} 4',
      'hyperskeleton_activation_duration_seconds_bucket{phase="total",le="+Inf"} 5',
      'hyperskeleton_inits_total{outcome="ok"} 1',
      'hyperskeleton_activations_in_flight 0',
      'hyperskeleton_activation_starts_total{engine="posix_spawn"} 4',
      'hyperskeleton_activation_starts_total{engine="forkserver"} 0',
      'hyperskeleton_worker_queued_tasks{thread="worker-1"} 0',
      'hyperskeleton_scrape_errors_total 0',
      `hyperskeleton_log_bytes_total ${3 * 'logged\n'.length + 'nothing\n'.length}`,
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).toMatch(
      /^hyperskeleton_build_info\{version="\d+\.\d+\.\d+[^"]*",engine="posix_spawn",http="(?:uws|node)",node="v[\d.]+"\} 1$/m,
    );
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
    expect(Number(/^hyperskeleton_child_cpu_seconds_total (\S+)$/m.exec(text)?.[1])).toBeGreaterThan(0);
  });

  it('speaks OpenMetrics where the scraper asks for it', async () => {
    const { type, text } = await scrape('application/openmetrics-text; version=1.0.0');
    expect(type).toMatch(/^application\/openmetrics-text/);
    expect(text.trimEnd().endsWith('# EOF')).toBe(true);
    expect(text).toContain('hyperskeleton_activations_total{outcome="ok"} 3');
  });

  it('is not there when it is switched off', async () => {
    const off = await RunServer.start({ engine: 'posix_spawn', env: { HYPERSKELETON_METRICS: 'off' } });
    try {
      expect(await off.get('/metrics')).toBe(404);
    } finally {
      await off.stop();
    }
  });
});
