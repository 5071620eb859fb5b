import { afterEach, describe, expect, it } from 'vitest';
import { textBody } from '../support/archives.js';
import { ENGINES, RunServer } from '../support/run-server.js';

const VERSIONS = 40;

describe.each([...ENGINES, 'auto'])('runs that overlap further inits (%s)', (engine) => {
  let server: RunServer;
  afterEach(() => server.stop());

  it.each([1, 4])(
    'C-INIT-23: get the files and the variables of one init (%i at a time)',
    async (callers) => {
      server = await RunServer.start({ engine, env: { PROXY_ALLOW_REINIT: '1' } });
      // The script holds its version, and the variables the same one.
      const init = (version: number): string =>
        textBody(`#!/bin/sh\necho "[${version},$VERSION]"\n`, { env: { VERSION: String(version) } });
      expect((await server.post('/init', init(0))).status).toBe(200);
      let done = false;
      const runs = Array.from({ length: callers }, async () => {
        const seen: string[] = [];
        while (!done) {
          const answer = await server.run();
          seen.push(`${answer.status} ${answer.body.toString()}`);
        }
        return seen;
      });
      try {
        for (let version = 1; version <= VERSIONS; version++) {
          expect((await server.post('/init', init(version))).status).toBe(200);
        }
      } finally {
        done = true;
      }
      const seen = (await Promise.all(runs)).flat();
      expect(seen.length).toBeGreaterThan(callers);
      expect(seen.filter((answer) => !/^200 \[(\d+),\1\]$/.test(answer))).toEqual([]);
      expect((await server.run()).body.toString()).toBe(`[${VERSIONS},${VERSIONS}]`);
    },
  );
});
