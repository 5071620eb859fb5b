import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { unknownVariables } from '../../src/config/unknown-variables.js';
import { RunServer } from '../support/run-server.js';

describe('variables named as settings are that are none', () => {
  it('are told, with the setting that was probably meant', () => {
    expect(
      unknownVariables({
        HYPERSKELETON_MAX_INFLIGHT: '1',
        HYPERSKELETON_ENGIN: 'auto',
        HYPERSKELETON_COLOUR: 'red',
      }),
    ).toEqual([
      { name: 'HYPERSKELETON_MAX_INFLIGHT', meant: 'HYPERSKELETON_MAX_IN_FLIGHT' },
      { name: 'HYPERSKELETON_ENGIN', meant: 'HYPERSKELETON_ENGINE' },
      { name: 'HYPERSKELETON_COLOUR' },
    ]);
  });

  it('are not the settings, nor what the launcher and the tests have', () => {
    const names = ['HYPERSKELETON_ENGINE', 'HYPERSKELETON_ENTRY_IFS', 'HYPERSKELETON_TEST_HTTP', 'PATH'];
    expect(unknownVariables(Object.fromEntries(names.map((name) => [name, 'x'])))).toEqual([]);
  });
});

describe('a server', () => {
  let server: RunServer | undefined;
  afterEach(() => server?.stop());

  it('C-SRV-03: warns of them in its own log, and nowhere else', async () => {
    const env = { HYPERSKELETON_MAX_INFLIGHT: '1' };
    server = await RunServer.start({
      engine: 'posix_spawn',
      env,
      launcher: `HYPERSKELETON_LOG_FILE=$TMPDIR/log exec "$@"`,
    });
    const text = readFileSync(join(server.temporary, 'log'), 'utf8');
    expect(text).toContain('HYPERSKELETON_MAX_INFLIGHT is no setting, did you mean');
    expect(server.takeLogs().stderr.toString()).toBe('');
  });
});
