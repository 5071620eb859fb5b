import { getPriority } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, actionLoopScript, startActionLoopServer } from '../support/actionloop-server.js';
import { ENGINES, RunServer } from '../support/run-server.js';

describe.each(ENGINES)('the precedence of the server over actions (%s)', (engine) => {
  let server: RunServer;
  afterEach(() => server.stop());
  const NICE = 'nice=$(cut -d" " -f19 /proc/$$/stat)';

  it('C-RUN-14: is not handed on to them', async () => {
    server = await RunServer.start({ engine });
    await server.install(`#!/bin/sh\n${NICE}\necho "[$nice]"\n`);
    for (let run = 0; run < 5; run++) expect((await server.run()).body.toString()).toBe(`[${getPriority()}]`);
    if (process.getuid?.() === 0) expect(getPriority(server.pid)).toBeLessThan(getPriority());
  });

  it('C-AL-06: nor to those that stay', async () => {
    server = await startActionLoopServer({ engine });
    await server.post('/init', actionLoopInit(actionLoopScript('echo "[$nice]" >&3', NICE)));
    expect((await server.run()).body.toString()).toBe(`[${getPriority()}]\n`);
  });
});
