import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compileAction } from '../../support/run-programs.js';
import { RunServer } from '../../support/run-server.js';
import { scrape } from '../../support/scrape.js';
import { isAlive, templatesOf, until } from '../../support/waiting.js';

async function withoutPtrace(): Promise<string> {
  return `exec ${await compileAction('no-ptrace')} "$@"`;
}

it('auto takes posix_spawn where ptrace is refused, and the log says why', async () => {
  const server = await RunServer.start({
    engine: 'auto',
    launcher: await withoutPtrace(),
    flags: ['--log-file', '/dev/stderr'],
  });
  try {
    await server.install('#!/bin/sh\necho "{}"\n');
    expect((await server.run()).status).toBe(200);
    const log = (): string => readFileSync(join(server.folder, 'stderr'), 'utf8');
    await until('the log says so', () => log().includes('"engine":"posix_spawn"'));
    expect((await server.run()).status).toBe(200);
    expect(log()).toMatch(
      /"fallbackReason":"forkserver: .*ptrace: EPERM \(the seccomp profile of this container/,
    );
  } finally {
    await server.stop();
  }
});

it('forkserver by name does not start where ptrace is refused', async () => {
  await expect(RunServer.start({ engine: 'forkserver', launcher: await withoutPtrace() })).rejects.toThrow(
    'the server ended: 1',
  );
});

it('auto takes forkserver where it works, without that a run waits for a template', async () => {
  const server = await RunServer.start({ engine: 'auto', flags: ['--threads', '1'] });
  try {
    await server.install(
      '#!/bin/sh\ncase "$1" in *hold*) sleep 60 & echo "{\\"pid\\":$!}";; *) echo "{}";; esac\n',
    );
    expect((await server.run()).status).toBe(200);
    await until('there is a template', () => templatesOf(server.pid).length > 0);
    expect((await server.run({ hold: 1 })).status).toBe(200);
  } finally {
    await server.stop();
  }
});

it.runIf(process.getuid?.() === 0)(
  'forkserver works where processes have small numbers: in a container',
  async () => {
    const server = await RunServer.start({
      engine: 'forkserver',
      launcher: 'exec unshare --pid --fork --mount-proc --kill-child "$@"',
    });
    try {
      await server.install('#!/bin/sh\necho "{\\"pid\\":$$}"\n');
      for (let run = 0; run < 3; run++) {
        const { pid } = JSON.parse((await server.run()).body.toString()) as { pid: number };
        expect(pid).toBeLessThan(100);
      }
      const { value } = await scrape(server.port);
      expect(value('hyperskeleton_forkserver_templates_total{event="failed"}')).toBe(0);
      expect(value('hyperskeleton_forkserver_refusals_total{reason="unsuitable"}')).toBe(0);
    } finally {
      await server.stop();
    }
  },
);

it('templates end with a server that is killed', async () => {
  const server = await RunServer.start({ engine: 'forkserver' });
  await server.install('#!/bin/sh\necho "{}"\n');
  await server.run();
  await until('there are spare clones', () => templatesOf(server.pid).length >= 3);
  const templates = templatesOf(server.pid);
  await server.stop();
  await until('all have ended', () => templates.every((pid) => !isAlive(pid)));
});
