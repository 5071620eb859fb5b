import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../../../bench/support/http.js';
import { RunServer } from '../../support/run-server.js';

describe('GET /metrics, where the server has no descriptor left for its first page', () => {
  let server: RunServer;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  beforeAll(async () => {
    server = await RunServer.start({ engine: 'posix_spawn' });
  });
  afterAll(async () => {
    agent.destroy();
    await server.stop();
  });

  const scrape = async (): Promise<number> => (await send(server.port, 'GET', '/metrics', '', agent)).status;
  const limit = (soft: string): void => {
    execFileSync('prlimit', ['--pid', String(server.pid), `--nofile=${soft}:`]);
  };

  it('fails, and the next one does not', async () => {
    expect((await send(server.port, 'GET', '/healthz', '', agent)).status).toBe(200);
    const [, before = ''] =
      /^Max open files +(\d+)/m.exec(readFileSync(`/proc/${server.pid}/limits`, 'latin1')) ?? [];
    // Every number below the limit is in use (getrlimit(2)).
    limit(String(lowestFree(server.pid)));
    expect(await scrape()).toBe(500);
    limit(before);
    expect(await scrape()).toBe(200);
  });
});

/** The lowest descriptor number that a process does not use. */
function lowestFree(pid: number): number {
  const used = new Set(readdirSync(`/proc/${pid}/fd`));
  for (let fd = 0; ; fd++) if (!used.has(String(fd))) return fd;
}
