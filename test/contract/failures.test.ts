import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archiveBody, script, zipOf } from '../support/archives.js';
import { ENGINES, RunServer } from '../support/run-server.js';

const M_NOBIN = 'The action failed to locate a binary. See logs for details.';
const M_RESULT = 'The action did not return a dictionary or array.';
const M_ARGS = 'The action did not receive a dictionary or array as an argument.';

describe.each(ENGINES)('an exec that can not be started (%s)', (engine) => {
  let server: RunServer;

  beforeEach(async () => {
    server = await RunServer.start({ engine });
  });
  afterEach(() => server.stop());

  async function expectProblem(text: string, reason: string, log: RegExp, context = {}): Promise<void> {
    server.takeLogs();
    const answer = await server.run({}, context);
    expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([502, { error: text }]);
    expect(answer.headers['x-hyperskeleton-reason']).toBe(reason);
    // The fault is the action's, so no code of ours is on it (C-LOG-01).
    expect(answer.headers['x-hyperskeleton-error']).toBeUndefined();
    const { stdout, stderr } = server.takeRunLogs();
    expect(stdout).toMatch(/^error: .*\n$/);
    expect(stdout).toMatch(log);
    expect(stderr).toBe('');
  }

  describe('C-RUN-15 (run_no_exec)', () => {
    it('missing', async () => {
      rmSync(server.exec);
      await expectProblem(M_NOBIN, 'missing', /exec does not exist/);
    });

    it('a link to nowhere', async () => {
      rmSync(server.exec);
      symlinkSync('bin/nowhere', server.exec);
      await expectProblem(M_NOBIN, 'dangling_link', /link to bin\/nowhere/);
    });

    it('a folder', async () => {
      rmSync(server.exec);
      mkdirSync(server.exec);
      await expectProblem(M_NOBIN, 'folder', /is a folder/);
    });

    it('not executable', async () => {
      await chmod(server.exec, 0o644);
      await expectProblem(M_NOBIN, 'not_executable', /not executable \(mode 644\)/);
    });

    it('on a file system that is mounted noexec', async (context) => {
      const mounted = join(server.actionRoot, 'mounted');
      mkdirSync(mounted);
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'noexec,size=1m', 'tmpfs', mounted], { stdio: 'ignore' });
      } catch {
        context.skip('this user may not mount');
      }
      try {
        execFileSync('cp', [server.exec, join(mounted, 'real')]);
        rmSync(server.exec);
        symlinkSync('mounted/real', server.exec);
        await expectProblem(M_NOBIN, 'noexec_mount', /mounted noexec/);
      } finally {
        execFileSync('umount', [mounted]);
      }
    });

    it('what is put right on disk serves the next run', async () => {
      await chmod(server.exec, 0o644);
      expect((await server.run()).status).toBe(502);
      await chmod(server.exec, 0o755);
      expect((await server.run()).status).toBe(200);
    });
  });

  describe('C-RUN-26 (run_start_failed)', () => {
    it.each<[string, string | Buffer, string, RegExp]>([
      ['no #! line', 'echo "{}"\n', 'unknown_format', /\[Errno 8\] Exec format error: .*no #! line/],
      ['an empty file', '', 'empty', /Exec format error: .* is empty/],
      ['a missing interpreter', '#!/nowhere/lang -x\n', 'interpreter_missing', /interpreter \/nowhere\/lang/],
      ['CRLF after #!', '#!/bin/sh\r\necho "{}"\r\n', 'crlf', /ends in CRLF.*"\/bin\/sh\\r"/],
      [
        'another architecture',
        elf({ machine: 183 }),
        'wrong_architecture',
        /built for aarch64, this machine is x86_64/,
      ],
      [
        'a missing loader',
        elf({ machine: 62, loader: '/lib/ld-musl-nowhere.so.1' }),
        'loader_missing',
        /loader \/lib\/ld-musl-nowhere\.so\.1/,
      ],
    ])('%s', async (_what, content, reason, log) => {
      await server.install(content);
      await expectProblem(M_RESULT, reason, log);
    });

    it('an environment that is too large', async () => {
      await expectProblem(M_RESULT, 'too_large', /Argument list too long/, { large: 'x'.repeat(200_000) });
      expect((await server.run()).status).toBe(200);
    });
  });

  it('C-RUN-02: arguments that are no object or array (run_bad_arguments) start nothing and log nothing', async () => {
    for (const body of ['{"value":null}', '{"value":5}', '{"value":"x"}', '[1]', '7', '"text"', 'true']) {
      server.takeLogs();
      const answer = await server.runBody(body);
      expect([body, answer.status, JSON.parse(answer.body.toString())]).toEqual([
        body,
        404,
        { error: M_ARGS },
      ]);
      expect(answer.headers['x-hyperskeleton-error']).toBe('run_bad_arguments');
      expect(server.takeRunLogs()).toEqual({ stdout: '', stderr: '' });
    }
  });

  it('a file still open for writing elsewhere is waited for', async () => {
    const zip = zipOf([script('exec', 'echo "{}"')]);
    expect((await server.post('/init', archiveBody(zip))).status).toBe(200);
    const answers = await Promise.all(Array.from({ length: 20 }, () => server.run()));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
  });
});

/** The header of an ELF program that nothing can run, with an interpreter if one is named (elf(5)). */
function elf({ machine, loader }: { machine: number; loader?: string }): Buffer {
  const file = Buffer.alloc(4096);
  file.write('\x7fELF', 0, 'latin1');
  file.set([2, 1, 1], 4);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(0x400000n, 24);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(loader === undefined ? 0 : 2, 56);
  file.writeUInt16LE(64, 58);
  if (loader === undefined) return file;
  const name = `${loader}\0`;
  file.write(name, 512, 'latin1');
  const header = (at: number, type: number, offset: number, size: number): void => {
    file.writeUInt32LE(type, at);
    file.writeUInt32LE(5, at + 4);
    file.writeBigUInt64LE(BigInt(offset), at + 8);
    file.writeBigUInt64LE(0x400000n + BigInt(offset), at + 16);
    file.writeBigUInt64LE(0x400000n + BigInt(offset), at + 24);
    file.writeBigUInt64LE(BigInt(size), at + 32);
    file.writeBigUInt64LE(BigInt(size), at + 40);
    file.writeBigUInt64LE(0x1000n, at + 48);
  };
  header(64, 3, 512, name.length);
  header(120, 1, 0, 4096);
  return file;
}
