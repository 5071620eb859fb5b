import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { RunServer } from '../../support/run-server.js';
import { scrape } from '../../support/scrape.js';

/** How often threads of the process have gone to sleep by themselves: each waking up ends in that. */
function sleeps(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1');
    return sum + Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1] ?? 0);
  }, 0);
}

describe('a server at rest', () => {
  it('wakes up hardly ever, though it has run activations and been scraped', async () => {
    const server = await RunServer.start({ engine: 'posix_spawn' });
    try {
      await server.install('#!/bin/sh\necho "{}"\n');
      await server.run();
      await scrape(server.port);
      await delay(2000);
      const before = sleeps(server.pid);
      await delay(2000);
      // A timer of 100 ms in one thread would make 20, one of 10 ms 200.
      expect(sleeps(server.pid) - before).toBeLessThan(18);
    } finally {
      await server.stop();
    }
  });

  it.each([
    ['neither tracing nor the log nor the page of metrics', {}, []],
    ['no recording either', { HYPERSKELETON_METRICS: 'off' }, []],
    [
      'tracing where it is asked for',
      { HYPERSKELETON_OTLP_ENDPOINT: 'http://127.0.0.1:1' },
      ['otlp-tracing'],
    ],
  ])('has loaded %s', async (_what, env, expected) => {
    const server = await RunServer.start({
      engine: 'posix_spawn',
      env: { ...env, NODE_OPTIONS: `--require=${import.meta.dirname}/../../support/list-modules.cjs` },
    });
    try {
      await server.install('#!/bin/sh\necho "{}"\n');
      await server.run();
      const exited = once(server.process, 'exit');
      server.process.kill('SIGTERM');
      await exited;
      const loaded = readFileSync(join(server.temporary, 'modules'), 'utf8');
      expect(loaded).toContain('uws_linux');
      const lazy = ['otlp-tracing', 'exposition', 'pino', 'pretty'].filter((name) => loaded.includes(name));
      expect(lazy).toEqual(expected);
    } finally {
      await server.stop();
    }
  });
});
