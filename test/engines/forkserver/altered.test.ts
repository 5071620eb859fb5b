import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { EngineFixture } from '../../support/run-engine.js';
import { RunServer } from '../../support/run-server.js';
import { templatesOf, until } from '../../support/waiting.js';
import { isHere } from '../../zoo/build.js';

/** Tells what a process has inherited and any other of its user may change. */
const TELLS = `#!/bin/sh
{ cat /proc/$$/limits; ionice -p $$; chrt -p $$; taskset -cp $$; nice; cat /proc/$$/timerslack_ns
  cat /proc/$$/oom_score_adj /proc/$$/coredump_filter; } | sed "s/pid $$//" >&2
echo '{}'
`;

const ATTACKS: Readonly<Record<string, (pid: number) => void>> = {
  'a limit': (pid) => tool('prlimit', '--pid', pid, '--core=0:0', '--nofile=77:77'),
  'the nice value': (pid) => tool('renice', '-n', '15', '-p', pid),
  'the policy': (pid) => tool('chrt', '--idle', '-p', '0', pid),
  'the CPUs': (pid) => tool('taskset', '-cp', '0', pid),
  'the I/O priority': (pid) => tool('ionice', '-c', '3', '-p', pid),
  'the timer slack': (pid) => writeFileSync(`/proc/${pid}/timerslack_ns`, '1234567'),
  'when the kernel kills it': (pid) => writeFileSync(`/proc/${pid}/oom_score_adj`, '999'),
  'what it would dump': (pid) => writeFileSync(`/proc/${pid}/coredump_filter`, '0'),
};
const OF_ROOT = new Set(['when the kernel kills it', 'what it would dump']);
/** With one CPU there is no other set of them. */
const oneCpu = execFileSync('nproc', { encoding: 'utf8' }).trim() === '1';

function tool(name: string, ...args: (string | number)[]): void {
  execFileSync(name, args.map(String), { stdio: 'ignore' });
}

const tools = await Promise.all(['prlimit', 'renice', 'chrt', 'taskset', 'ionice'].map(isHere));
const canAttack = process.getuid?.() === 0 && tools.every(Boolean);

let rig: EngineFixture | undefined;
let server: RunServer | undefined;
afterEach(async () => {
  await rig?.close();
  await server?.stop();
  rig = undefined;
  server = undefined;
});

describe.runIf(canAttack)('C-RUN-14: what an activation changes of templates and of clones that wait', () => {
  it.each(Object.keys(ATTACKS).filter((name) => !(oneCpu && name === 'the CPUs')))(
    'is not inherited by the next: %s',
    async (name) => {
      rig = new EngineFixture('forkserver');
      rig.installScript(TELLS);
      const before = (await rig.run()).stderr;
      await until('clones wait', () => rig?.stats.counters.sparesWaiting === 2);
      for (const pid of templatesOf(process.pid)) ATTACKS[name]?.(pid);
      // What only root may change is compared from time to time.
      let outcome = (await rig.run()).outcome;
      if (OF_ROOT.has(name))
        await until('it is compared', async () => {
          if (outcome !== 'altered') outcome = (await rig?.run())?.outcome ?? '';
          return outcome === 'altered';
        });
      expect(outcome).toBe('altered');
      // Made anew.
      const after = await rig.run();
      expect(after.outcome).toBe('started');
      expect(after.stderr).toBe(before);
      expect(rig.stats.refusals.altered).toBe(1);
    },
  );

  it('a template whose clones can’t be made any more is given up', async () => {
    rig = new EngineFixture('forkserver');
    rig.installScript(TELLS);
    await rig.run();
    await until('clones wait', () => rig?.stats.counters.sparesWaiting === 2);
    for (const pid of templatesOf(process.pid)) tool('prlimit', '--pid', pid, '--as=1:1');
    expect((await rig.run()).outcome).toBe('altered');
    expect((await rig.run()).outcome).toBe('started');
  });
});

describe.runIf(canAttack)('what an administrator changes of the server', () => {
  it('comes to clones too: I/O priority and timer slack', async () => {
    server = await RunServer.start({ engine: 'forkserver' });
    await server.install(TELLS);
    const running = server;
    const reported = async (): Promise<string> => {
      await running.run();
      return running.takeRunLogs().stderr;
    };
    expect(await reported()).not.toContain('1234567');
    for (const thread of execFileSync('ls', [`/proc/${server.pid}/task`], { encoding: 'utf8' })
      .trim()
      .split('\n')) {
      tool('ionice', '-c', '3', '-p', thread);
      writeFileSync(`/proc/${thread}/timerslack_ns`, '1234567');
    }
    await until('they have reached the runs', async () => /^idle(.|\n)*\n1234567\n/m.test(await reported()));
  });
});
