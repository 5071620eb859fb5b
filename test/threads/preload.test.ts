import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { textBody } from '../support/archives.js';
import { RunServer } from '../support/run-server.js';
import { until } from '../support/waiting.js';

const TELL = fileURLToPath(new URL('../support/tell-when-loaded.cjs', import.meta.url));

it('what the first init needs is loaded before it comes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-preload-'));
  const server = await RunServer.start({
    engine: 'auto',
    env: { NODE_OPTIONS: `--require ${TELL}`, TMPDIR: folder },
  });
  try {
    await until('a worker has loaded it', () => existsSync(join(folder, 'loaded')));
    expect((await server.post('/init', textBody('#!/bin/sh\necho "{}"\n'))).status).toBe(200);
  } finally {
    await server.stop();
  }
});
