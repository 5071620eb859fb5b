import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { actionLoopInit, startActionLoopServer } from '../support/actionloop-server.js';
import { ENGINES, RunServer } from '../support/run-server.js';

/** Of this process, whose children the servers are; what an action has beyond that is set once it has started. */
const OWN = Number(readFileSync('/proc/self/oom_score_adj', 'utf8'));
const EXPECTED = Math.min(OWN + 500, 1000);
const MAX_LOOKS = 500;
const TELLS = [
  'looks=0',
  `while [ $looks -lt ${MAX_LOOKS} ] && [ "$(cat /proc/$$/oom_score_adj)" != ${EXPECTED} ]; do looks=$((looks + 1)); done`,
  'adjustments="[$(cat /proc/$$/oom_score_adj),$(cat /proc/self/oom_score_adj)]"',
].join('\n');
const TOLD = `[${EXPECTED},${EXPECTED}]`;

describe.each(ENGINES)('where memory is short (%s)', (engine) => {
  let server: RunServer;
  beforeAll(async () => {
    server = await RunServer.start({ engine });
  });
  afterAll(() => server.stop());

  it('an action and what it starts are ended before the server', async () => {
    await server.install(`#!/bin/sh\n${TELLS}\necho "$adjustments"\n`);
    expect((await server.run()).body.toString()).toBe(TOLD);
    expect(Number(readFileSync(`/proc/${server.pid}/oom_score_adj`, 'utf8'))).toBe(OWN);
  });
});

describe.each(ENGINES)('where memory is short, ActionLoop (%s)', (engine) => {
  it('its process is ended before the server', async () => {
    const server = await startActionLoopServer({ engine });
    try {
      const init = await server.post(
        '/init',
        actionLoopInit(`#!/bin/bash\nwhile read -r line; do\n${TELLS}\necho "$adjustments" >&3; done\n`),
      );
      expect(init.status).toBe(200);
      const answer = await server.post('/run', '{"value":{}}');
      expect(answer.body.toString().trim()).toBe(TOLD);
    } finally {
      await server.stop();
    }
  });
});
