import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { ENGINES, RunServer } from '../support/run-server.js';

const M_STUB = 'This is a stub action. Replace it with custom logic.';

let server: RunServer | undefined;

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

it.each(ENGINES)(
  'C-SRV-02: the default action works before any init, and explains itself (%s)',
  async (engine) => {
    server = await RunServer.start({ engine });
    expect(statSync(server.exec).mode & 0o777).toBe(0o755);
    const value = '{"name":"é"}';
    const answer = await server.runText(value);
    expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([200, { error: M_STUB }]);
    const { stdout, stderr } = server.takeRunLogs();
    const bytes = Buffer.byteLength(value);
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining([
        `command line argument: ${value}`,
        `command line argument length: ${bytes}`,
        `stdin input length: ${bytes}`,
      ]),
    );
    expect(stderr).toBe('');
  },
);

it('C-SRV-02: an exec that is there is left alone', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-image-'));
  try {
    writeFileSync(join(folder, 'exec'), '#!/bin/sh\necho \'{"image":1}\'\n', { mode: 0o755 });
    // The last flag of a name counts.
    server = await RunServer.start({ engine: 'posix_spawn', flags: ['--action-root', folder] });
    expect((await server.run()).body.toString()).toBe('{"image":1}');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
