import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, startActionLoopServer } from '../support/actionloop-server.js';
import { compileAction } from '../support/run-programs.js';
import type { RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';
import { end, isAlive, until } from '../support/waiting.js';

const WAYS = ['ignores SIGTERM', 'stopped', 'traced'];

/** Whatever a process of the action does: its time limit holds, and so does the end of the server. */
describe.each(['posix_spawn', 'child_process'])('the end of an ActionLoop process (%s)', (engine) => {
  // With child_process it leads a session, and can't leave its process group.
  const ways = engine === 'child_process' ? WAYS : [...WAYS, 'elsewhere'];
  let server: RunServer;
  let tracer = 0;
  afterEach(async () => {
    if (tracer > 0) end(tracer);
    tracer = 0;
    await server.stop();
  });

  async function start(way: string, env: Record<string, string> = {}): Promise<number> {
    server = await startActionLoopServer({ engine, env });
    const code = readFileSync(await compileAction('loop_escapes'));
    expect((await server.post('/init', actionLoopInit(code, { env: { WAY: way } }))).status).toBe(200);
    const seen = JSON.parse((await server.run()).body.toString()) as { pid: number; tracer: number };
    tracer = seen.tracer;
    expect(tracer >= 0 && (way !== 'traced' || tracer > 0)).toBe(true);
    return seen.pid;
  }

  it.each(ways)('C-SRV-11: %s: the server ends, and the process with it', async (way) => {
    const pid = await start(way);
    server.process.kill('SIGTERM');
    await until('the server has ended', () => server.process.exitCode === 0);
    await until('the process has ended', () => !isAlive(pid));
  });

  it.each([...ways, 'hanging'])(
    'C-SRV-11: %s, with a request: it is answered at the end of the grace period, and the server ends',
    async (way) => {
      const pid = await start(way, {
        HYPERSKELETON_GRACE_MS: '300',
        HYPERSKELETON_TIMEOUT_GRACE_MS: '60000',
      });
      // A process that waits for lines would answer.
      if (way !== 'stopped' && way !== 'hanging') process.kill(pid, 'SIGSTOP');
      const running = server.run();
      await until('it is under way', async () => {
        return (await scrape(server.port)).value('hyperskeleton_activations_in_flight') === 1;
      });
      server.process.kill('SIGTERM');
      expect((await running).headers['x-hyperskeleton-error']).toBe('run_shutdown_killed');
      await until('the server has ended', () => server.process.exitCode === 0);
      await until('the process has ended', () => !isAlive(pid));
    },
  );

  it.each([...ways, 'hanging'])('a time limit ends a process: %s', async (way) => {
    const env = { HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '300', HYPERSKELETON_TIMEOUT_GRACE_MS: '100' };
    const pid = await start(way, env);
    if (way !== 'stopped' && way !== 'hanging') process.kill(pid, 'SIGSTOP');
    const answer = await server.run();
    expect(answer.headers['x-hyperskeleton-error']).toBe('run_timeout');
    await until('the process has ended', () => !isAlive(pid));
    // Its place is free, though nobody may have reaped it.
    const next = JSON.parse((await server.run()).body.toString()) as { pid: number; tracer: number };
    if (tracer > 0) end(tracer);
    tracer = next.tracer;
    expect(next.pid).not.toBe(pid);
  });
});
