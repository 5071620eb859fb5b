import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, rm, symlink, writeFile } from 'node:fs/promises';
import { machine } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compileAction } from '../support/run-programs.js';
import { ENGINES, RunServer } from '../support/run-server.js';

const M_NOBIN = 'The action failed to locate a binary. See logs for details.';
const M_RESULT = 'The action did not return a dictionary or array.';
/** Where an ELF header says for what processor it is (elf(5)). */
const ELF_MACHINE_OFFSET = 18;
const AARCH64 = 183;
const X86_64 = 62;

const execute = promisify(execFile);

describe.each(ENGINES)('starts that fail (%s)', (engine) => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine });
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    server.takeLogs();
  });
  afterEach(async () => {
    // Whatever was wrong, the next action is served as if nothing had been.
    await rm(server.exec, { recursive: true, force: true });
    await server.install('#!/bin/sh\necho \'{"next":true}\'\n');
    expect((await server.run()).body.toString()).toBe('{"next":true}');
  });

  /** 502 with this text; the reason is a line on stdout that holds each of the words, stderr is empty. */
  async function expectFailure(text: string, words: readonly string[], body = '{}'): Promise<void> {
    const answer = await server.runBody(body);
    expect([answer.status, answer.body.toString()]).toEqual([502, JSON.stringify({ error: text })]);
    expect(answer.headers['content-type']).toBe('application/json');
    const { stdout, stderr } = server.takeRunLogs();
    for (const word of ['error', ...words]) expect(stdout).toContain(word);
    expect(stdout.split('\n').length, 'one line').toBe(2);
    expect(stderr).toBe('');
  }

  it('C-RUN-26: a script without #! is not handed to a shell', async () => {
    await server.install(': > ran\necho "{}"\n');
    await expectFailure(M_RESULT, ['[Errno 8] Exec format error', server.exec, '#!']);
    expect(existsSync(join(server.actionRoot, 'ran'))).toBe(false);
  });

  it.each([
    ['text', 'hello\n'],
    ['one byte', 'x'],
    ['an ELF header that is cut off', '\x7fELF\x02\x01\x01'],
    ['a #! line of blanks', '#!   \necho "{}"\n'],
    ['a byte order mark before #!', '\ufeff#!/bin/sh\necho "{}"\n'],
    ['a line break before #!', '\n#!/bin/sh\necho "{}"\n'],
  ])('C-RUN-26: %s is no program', async (_what, content) => {
    await server.install(content);
    await expectFailure(M_RESULT, ['Exec format error']);
  });

  it('C-RUN-26: a missing interpreter is named', async () => {
    await server.install('#! /opt/lang/bin/lang -x\necho "{}"\n');
    await expectFailure(M_RESULT, ['/opt/lang/bin/lang']);
  });

  it('C-RUN-26: an interpreter that can not be executed is named', async () => {
    const interpreter = join(server.actionRoot, 'interpreter');
    await writeFile(interpreter, '#!/bin/sh\n', { mode: 0o644 });
    await server.install(`#!${interpreter}\necho "{}"\n`);
    await expectFailure(M_RESULT, [interpreter]);
  });

  it('C-RUN-26: an interpreter that is no program itself is named, and not handed to a shell', async () => {
    const interpreter = join(server.actionRoot, 'interpreter');
    await writeFile(interpreter, ': > ran\necho "{}"\n', { mode: 0o755 });
    await chmod(interpreter, 0o755);
    await server.install(`#!${interpreter}\n`);
    await expectFailure(M_RESULT, [interpreter]);
    expect(existsSync(join(server.actionRoot, 'ran'))).toBe(false);
  });

  it('C-RUN-26: Windows line breaks after #! are named as such', async () => {
    await server.install('#!/bin/bash\r\necho "{}"\r\n');
    await expectFailure(M_RESULT, ['CRLF', '/bin/bash']);
  });

  it('C-RUN-26: the missing loader of a program that lies there is named', async () => {
    const loader = '/lib/ld-nowhere-x.so.1';
    await server.installProgram(await compileAction('probe', [`-Wl,--dynamic-linker=${loader}`]));
    await expectFailure(M_RESULT, [loader]);
  });

  it('C-RUN-26: a program for another processor is named, with both', async () => {
    const program = Buffer.from(readFileSync(await compileAction('probe')));
    program.writeUInt16LE(machine() === 'aarch64' ? X86_64 : AARCH64, ELF_MACHINE_OFFSET);
    await server.install(program);
    await expectFailure(M_RESULT, [machine() === 'aarch64' ? 'x86_64' : 'aarch64', machine()]);
  });

  it('C-RUN-26: one variable that no process can take: 502, and nothing of it is in the log', async () => {
    await server.install('#!/bin/sh\necho "{}"\n');
    const body = `{"api_key":"${'secret'.repeat(30_000)}"}`;
    await expectFailure(M_RESULT, ['Argument list too long'], body);
  });

  it('C-RUN-26: many variables that no process can take together', async () => {
    await server.install('#!/bin/sh\necho "{}"\n');
    const keys = Array.from({ length: 100 }, (_, at) => `"key${at}":"${'x'.repeat(100_000)}"`);
    await expectFailure(M_RESULT, ['Argument list too long'], `{${keys.join(',')}}`);
  });

  it('C-RUN-15: the log says that exec is not executable, and its mode', async () => {
    await server.install('#!/bin/sh\necho "{}"\n', 0o640);
    await expectFailure(M_NOBIN, ['not executable', '640']);
  });

  it('C-RUN-15: the log says where a link leads to that is dangling, or a circle', async () => {
    await rm(server.exec);
    await symlink('bin/real', server.exec);
    await expectFailure(M_NOBIN, ['bin/real']);
    await rm(server.exec);
    await symlink('exec', server.exec);
    await expectFailure(M_NOBIN, ['link']);
  });

  it('C-RUN-15: the log says that exec is no regular file', async () => {
    await rm(server.exec);
    await execute('mkfifo', ['-m', '755', server.exec]);
    await expectFailure(M_NOBIN, ['not a regular file']);
  });

  it('C-RUN-26: failing starts among good runs, each with its own answer and sentinels', async () => {
    await server.install('#!/bin/sh\nread -r line\necho "$line"\n');
    const large = `{"value":{},"large":"${'x'.repeat(200_000)}"}`;
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, at) => (at % 3 === 0 ? server.runBody(large) : server.run({ at }))),
    );
    for (const [at, answer] of answers.entries()) {
      if (at % 3 === 0) expect(answer.status).toBe(502);
      else expect([answer.status, answer.body.toString()]).toEqual([200, `{"at":${at}}`]);
    }
    const { stdout, stderr } = server.takeLogs();
    for (const log of [stdout, stderr]) expect(log.toString().match(/^XXX_THE_END.*XXX$/gm)?.length).toBe(30);
  });
});

describe.each(ENGINES)('an action folder mounted noexec (%s)', (engine) => {
  it('C-RUN-15: 502 M-NOBIN, and the log says noexec', async (context) => {
    // A mount in a namespace of the server's own: nothing is left of it, however the test ends.
    const namespaced = await execute('unshare', ['-m', 'true']).then(
      () => true,
      () => false,
    );
    if (!namespaced) context.skip('this user may not mount');
    const mount = 'mount -t tmpfs -o noexec,size=1m tmpfs "$6" && cp /bin/true "$6/exec"';
    const server = await RunServer.start({
      engine,
      launcher: `exec unshare -m sh -c '${mount} && exec "$@"' sh "$@"`,
    });
    try {
      const answer = await server.run();
      expect([answer.status, answer.body.toString()]).toEqual([502, JSON.stringify({ error: M_NOBIN })]);
      expect(server.takeRunLogs().stdout).toContain('noexec');
    } finally {
      await server.stop();
    }
  });
});

describe.runIf(process.getuid?.() === 0).each(ENGINES)(
  'an action folder that may not be entered (%s)',
  (engine) => {
    it('C-RUN-15: 502 M-NOBIN, and the log says who may not; where it may be again, it is served', async () => {
      const server = await RunServer.start({
        engine,
        launcher: 'chown -R 65534 "$TMPDIR/.."; exec setpriv --reuid=65534 --clear-groups "$@"',
      });
      try {
        await server.install('#!/bin/sh\nchmod 0 .\necho "{}"\n');
        expect((await server.run()).status).toBe(200);
        server.takeLogs();
        for (let run = 0; run < 2; run++) {
          const answer = await server.run();
          expect([answer.status, answer.body.toString()]).toEqual([502, JSON.stringify({ error: M_NOBIN })]);
          expect(server.takeRunLogs().stdout).toContain("can't be reached by user 65534");
        }
        await chmod(server.actionRoot, 0o755);
        expect((await server.run()).status).toBe(200);
      } finally {
        await server.stop();
      }
    });
  },
);
