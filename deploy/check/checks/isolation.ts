import { setTimeout as delay } from 'node:timers/promises';
import { equal, eventually, holds, matches } from '../../../conformance/check.js';
import { ECHO, GREEDY, SLOW } from '../actions.js';
import { type Check, HARDENED, WRITABLE_ACTION } from '../check.js';
import type { Container } from '../container.js';
import type { Outcome } from '../engine.js';

const WITHIN_MS = 20_000;
/** Runs that no container of {@link HARDENED} has the memory for together. */
const AT_ONCE = 12;
/** Docker's syntax; only what matters is refused, for what else a profile holds depends on the engine. */
function profileWithoutPtrace(excludes: object): string {
  const rule = { names: ['ptrace'], action: 'SCMP_ACT_ERRNO', errnoRet: 1, ...excludes };
  return JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] });
}

async function runUntilCloned(container: Container): Promise<void> {
  await eventually('a run of the fork server', WITHIN_MS, async () => {
    equal('status of a run', (await container.post('/run', { value: {} })).status, 200);
    return (await container.metric('hyperskeleton_prewarm_total', 'result="hit"')) > 0;
  });
}

/** What doctor tells. */
function doctor({ status, stdout, stderr }: Outcome): string {
  equal(`the status of doctor (${stderr.trim()})`, status, 0);
  return stdout;
}

/** What the container's limits and filters do: freezing, memory, seccomp; which engine runs then. */
export const ISOLATION_CHECKS: readonly Check[] = [
  ...[[], [...HARDENED, WRITABLE_ACTION]].map((flags) => ({
    title: `the fork server is used under the default profile${flags.length > 0 ? ', hardened' : ''}`,
    run: async ({ slim, run, serve, install }: Parameters<Check['run']>[0]) => {
      const stdout = doctor(run(slim, flags, 'hyperskeleton', 'doctor'));
      matches('doctor', stdout, /^forkserver +works: .* stands before its own code$/m);
      matches('doctor', stdout, /under a seccomp filter/);
      matches('doctor', stdout, /HYPERSKELETON_ENGINE=auto: forkserver is used/);
      const container = await serve({ image: slim, flags });
      await install(container, ECHO);
      await runUntilCloned(container);
    },
  })),
  {
    title: 'where a profile refuses ptrace, posix_spawn is used and doctor says why',
    run: async ({ slim, run, serve, install, file }) => {
      const flags = [`--security-opt=seccomp=${file('profile.json', profileWithoutPtrace({}))}`];
      const stdout = doctor(run(slim, flags, 'hyperskeleton', 'doctor'));
      matches('doctor', stdout, /^forkserver +no: ptrace: EPERM \(the seccomp profile of this container/m);
      matches('doctor', stdout, /HYPERSKELETON_ENGINE=auto: posix_spawn is used/);
      const container = await serve({ image: slim, flags });
      await install(container, ECHO);
      await eventually('the failed self-test', WITHIN_MS, async () => {
        equal('status of a run', (await container.post('/run', { value: {} })).status, 200);
        return (await container.metric('hyperskeleton_build_info', 'engine="posix_spawn"')) === 1;
      });
      const lines = container.logs().stderr.trim().split('\n');
      holds(
        'stderr',
        lines.every((line) => /^(?:to stderr|XXX_THE_END.*)$/.test(line)),
        'nothing but logs',
        lines,
      );
      const byName = run(slim, flags, 'hyperskeleton', 'serve', '--engine', 'forkserver');
      equal('forkserver by name', byName.status, 1);
      matches('forkserver by name', byName.stderr, /ptrace: EPERM/);
    },
  },
  {
    title: 'CAP_SYS_PTRACE brings the fork server back where the profile allows ptrace to its holders',
    run: ({ slim, run, file }) => {
      const profile = profileWithoutPtrace({ excludes: { caps: ['CAP_SYS_PTRACE'] } });
      const seccomp = `--security-opt=seccomp=${file('profile.json', profile)}`;
      const told = (...flags: string[]): string =>
        doctor(run(slim, [seccomp, ...flags], 'hyperskeleton', 'doctor'));
      matches('without', told(), /^forkserver +no: ptrace: EPERM/m);
      matches('with it', told('--cap-add=SYS_PTRACE'), /^forkserver +works/m);
    },
  },
  {
    title: 'frozen in the middle of a run, longer than its time limit: the run ends as ever',
    run: async ({ slim, serve, install }) => {
      const env = { HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '8000' };
      const container = await serve({ image: slim, env });
      await install(container, SLOW);
      const run = container.post('/run', { value: {} });
      await eventually('its begin', WITHIN_MS, () => container.logs().stderr.includes('begun'));
      container.pause();
      await delay(Number(env.HYPERSKELETON_ACTIVATION_TIMEOUT_MS));
      container.unpause();
      const { status, text } = await run;
      equal('the run', [status, text], [200, '{"slow":true}']);
      equal('the next one', (await container.post('/run', { value: {} })).status, 200);
    },
  },
  {
    title: 'an action that exceeds the memory is a 502, and the next run is served',
    run: async ({ slim, serve, install }) => {
      const flags = [...HARDENED, WRITABLE_ACTION, '--memory-swap=256m'];
      const container = await serve({ image: slim, flags });
      await install(container, GREEDY);
      const { status, text } = await container.post('/run', { value: { megabytes: 1000 } });
      equal('status', status, 502);
      equal('text', text, '{"error":"The action did not return a dictionary or array."}');
      equal('the next', (await container.post('/run', { value: { megabytes: 1 } })).text, '{"megabytes":1}');
    },
  },
  {
    title: 'actions that exceed the memory together: each is answered, the server lives',
    run: async ({ slim, serve, install }) => {
      const flags = [...HARDENED, WRITABLE_ACTION, '--memory-swap=256m'];
      const container = await serve({ image: slim, flags });
      await install(container, GREEDY);
      const runs = Array.from({ length: AT_ONCE }, () =>
        container.post('/run', { value: { megabytes: 40, holdMs: 5000 } }),
      );
      const statuses = (await Promise.all(runs)).map(({ status }) => status);
      const all = statuses.every((status) => status === 200 || status === 502);
      holds('the statuses', all && statuses.includes(502), '200 or 502, some 502', statuses);
      equal('the next', (await container.post('/run', { value: { megabytes: 1 } })).text, '{"megabytes":1}');
      equal('exit status', container.stop(), 0);
    },
  },
];
