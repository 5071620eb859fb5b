import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, errorOf, startActionLoopServer } from '../support/actionloop-server.js';
import { logFile } from '../support/log-file.js';
import type { RunServer } from '../support/run-server.js';

describe.each(['posix_spawn', 'child_process'])(
  'C-INIT-28: an ActionLoop action that is not saved as it should be (%s)',
  (engine) => {
    let server: RunServer;
    afterEach(() => server.stop());

    it.each<[string, string | Buffer, RegExp]>([
      ['a byte order mark', '\ufeff#!/bin/sh\n', /begins with a byte order mark/],
      ['UTF-16', Buffer.from('\ufeff#!/bin/sh\n', 'utf16le'), /is UTF-16/],
      ['CRLF', '#!/bin/sh\r\nread line\r\n', /#! line of .* ends in CRLF/],
      ['CRLF behind env', '#!/usr/bin/env bash\r\nread line\r\n', /#! line of .* ends in CRLF/],
      [
        'a #! line that the kernel cuts',
        `#!/bin/sh ${'x'.repeat(300)}\nread line\n`,
        /longer than 255 bytes/,
      ],
      ['an interpreter that is missing', '#!/nowhere/sh\nread line\n', /needs the interpreter \/nowhere\/sh/],
    ])('%s is explained in the log', async (_what, exec, pattern) => {
      server = await startActionLoopServer({ engine });
      const answer = await server.post('/init', actionLoopInit(exec));
      // On a busy machine it lives beyond the time in which an end is the init's (C-AL-09).
      if (answer.status === 200) expect((await server.run()).status).toBeGreaterThanOrEqual(400);
      else expect(errorOf(answer)).toBe('cannot start action: command exited');
      expect(server.takeLogs().stderr.toString()).toMatch(pattern);
    });

    it('an end of its own is not explained', async () => {
      server = await startActionLoopServer({ engine });
      const { status } = await server.post('/init', actionLoopInit('#!/bin/sh\nexit 1\n'));
      if (status === 200) expect((await server.run()).status).toBeGreaterThanOrEqual(400);
      expect(server.takeLogs().stderr.toString()).not.toContain('error:');
    });

    it('an answer on standard output instead of descriptor 3 is hinted at after a while', async () => {
      const log = logFile();
      server = await startActionLoopServer({
        engine,
        env: { HYPERSKELETON_LOG_FILE: log, HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '7000' },
      });
      const loop = '#!/bin/sh\nwhile read -r line; do echo "{}"; done\n';
      expect((await server.post('/init', actionLoopInit(loop))).status).toBe(200);
      expect((await server.run()).status).toBe(504);
      expect(readFileSync(log, 'utf8')).toMatch(/no answer for 5 seconds: .* descriptor 3/);
    });

    it('C-AL-14: a byte order mark before an answer is explained in its log', async () => {
      server = await startActionLoopServer({ engine });
      const loop = '#!/bin/sh\nwhile read -r line; do printf "\\357\\273\\277{}\\n" >&3; done\n';
      expect((await server.post('/init', actionLoopInit(loop))).status).toBe(200);
      expect((await server.run()).status).toBe(502);
      expect(server.takeRunLogs().stderr).toMatch(/the result begins with a byte order mark/);
    });
  },
);
