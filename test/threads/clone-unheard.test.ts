import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { RunServer } from '../support/run-server.js';
import { isAlive, until } from '../support/waiting.js';

const HOOK = fileURLToPath(new URL('../fixtures/die-after-sendmsg.cjs', import.meta.url));

let server: RunServer | undefined;
afterEach(() => server?.stop());

it('a clone is killed whose worker thread dies before it has read that the clone begins', async () => {
  server = await RunServer.start({
    engine: 'forkserver',
    flags: ['--direct', 'off', '--threads', '1'],
    launcher: 'DIE_AFTER_SENDMSG="$TMPDIR/flag" exec "$@"',
    env: { NODE_OPTIONS: `--require=${HOOK}` },
  });
  const flag = `${server.temporary}/flag`;
  await server.install(`#!/bin/sh\necho $$ > '${flag}.pid'\n: > '${flag}.begun'\nexec sleep 1000\n`);
  writeFileSync(flag, '');
  const { status, headers } = await server.run();
  expect([status, headers['x-hyperskeleton-cause']]).toEqual([500, 'worker_lost']);
  expect(existsSync(`${flag}.begun`)).toBe(true);
  const pid = Number(readFileSync(`${flag}.pid`, 'latin1'));
  await until('it is gone', () => !isAlive(pid));
});
