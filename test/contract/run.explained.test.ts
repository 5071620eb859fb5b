import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ENGINES, RunServer } from '../support/run-server.js';

describe.each(ENGINES)(
  'C-INIT-28, C-RUN-26: an exec that is no program the way it was saved (%s)',
  (engine) => {
    let server: RunServer;

    beforeEach(async () => {
      server = await RunServer.start({ engine });
    });
    afterEach(() => server.stop());

    it.each<[string, string | Buffer, RegExp]>([
      ['a byte order mark', '\ufeff#!/bin/sh\necho "{}"\n', /begins with a byte order mark/],
      ['UTF-16', Buffer.from('\ufeff#!/bin/sh\necho "{}"\n', 'utf16le'), /is UTF-16/],
      ['CRLF behind env', '#!/usr/bin/env bash\r\necho "{}"\r\n', /#! line of .* ends in CRLF/],
      ['CRLF behind an argument', '#!/bin/bash -e\r\necho "{}"\r\n', /#! line of .* ends in CRLF/],
      [
        'a #! line that the kernel cuts',
        `#!/bin/sh ${'x'.repeat(300)}\necho "{}"\n`,
        /longer than 255 bytes/,
      ],
      ['an interpreter that the kernel cuts', `#!/${'x'.repeat(300)}\nexit 1\n`, /longer than 255 bytes/],
      ['a blank line before it', '\n#!/bin/sh\necho "{}"\n', /has its #! line not at the very begin/],
      ['a zip in base64', 'UEsDBBQAAAAIAAAAIQ', /is a zip in base64: "binary" must be true/],
    ])('%s is explained in the log', async (_what, exec, pattern) => {
      await server.install(exec as string);
      const answer = await server.run();
      expect(answer.status).toBe(502);
      expect(server.takeRunLogs().stdout).toMatch(pattern);
    });

    it.each([
      [
        'a byte order mark before the result',
        '\\357\\273\\277{}',
        /the result begins with a byte order mark/,
      ],
      ['a result in UTF-16', '\\377\\376{\\000}\\000', /is UTF-16/],
    ])('C-RUN-18: %s is explained in the log', async (_what, result, pattern) => {
      await server.install(`#!/bin/sh\nprintf '${result}\\n'\n`);
      expect((await server.run()).status).toBe(502);
      expect(server.takeRunLogs().stdout).toMatch(pattern);
    });

    it('C-RUN-18: all else is told in its own words only', async () => {
      await server.install('#!/bin/sh\necho "no result"\nexit 3\n');
      expect((await server.run()).status).toBe(502);
      expect(server.takeRunLogs()).toEqual({ stdout: 'no result\n', stderr: '' });
    });
  },
);
