import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';

const DIE = fileURLToPath(new URL('../fixtures/die-at-start.cjs', import.meta.url));

let server: RunServer | undefined;
afterEach(() => server?.stop());

it.each(['auto', 'child_process'])(
  'a first worker thread that dies while the server starts is replaced, counted and logged (%s)',
  async (engine) => {
    server = await RunServer.start({
      engine,
      env: { NODE_OPTIONS: `-r ${DIE}` },
      flags: ['--log-file', '/dev/stderr'],
    });
    await server.install('#!/bin/sh\necho "{}"\n');
    expect((await server.run()).status).toBe(200);
    expect((await scrape(server.port)).value('hyperskeleton_workers_lost_total')).toBe(1);
    expect(readFileSync(join(server.folder, 'stderr'), 'utf8')).toContain('worker thread lost');
  },
);
