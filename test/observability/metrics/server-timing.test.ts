import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunServer } from '../../support/run-server.js';

const WHOLE = /^queue;dur=[\d.]+, start;dur=[\d.]+, run;dur=[\d.]+, total;dur=[\d.]+$/;

describe('HYPERSKELETON_SERVER_TIMING', () => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine: 'posix_spawn', env: { HYPERSKELETON_SERVER_TIMING: 'on' } });
    await server.install('#!/bin/sh\nsleep 0.1\necho "{}"\n');
  });
  afterAll(() => server.stop());

  it('tells the phases in milliseconds', async () => {
    const { headers } = await server.run();
    const reported = String(headers['server-timing']);
    expect(reported).toMatch(WHOLE);
    const [queue = 0, start = 0, run = 0, total = 0] = [...reported.matchAll(/dur=([\d.]+)/g)].map(([, ms]) =>
      Number(ms),
    );
    expect(run).toBeGreaterThan(80);
    expect(total).toBeGreaterThanOrEqual(queue + start + run);
  });

  it('tells them of failures too, as far as they came', async () => {
    const { headers, status } = await server.runBody('no JSON');
    expect(status).toBe(400);
    expect(headers['server-timing']).toMatch(/^queue;dur=[\d.]+, total;dur=[\d.]+$/);
  });

  it('is off by default', async () => {
    const silent = await RunServer.start({ engine: 'posix_spawn' });
    try {
      expect((await silent.run()).headers).not.toHaveProperty('server-timing');
    } finally {
      await silent.stop();
    }
  });

  it('works in Knative mode', async () => {
    const knative = await RunServer.start({
      engine: 'posix_spawn',
      readiness: '/_hyperskeleton/readyz',
      env: { __OW_RUNTIME_PLATFORM: 'knative', HYPERSKELETON_SERVER_TIMING: 'on' },
    });
    try {
      await knative.install('#!/bin/sh\necho "{}"\n');
      const { headers } = await knative.post('/', '{"value":{}}');
      expect(headers['server-timing']).toMatch(WHOLE);
    } finally {
      await knative.stop();
    }
  });
});
