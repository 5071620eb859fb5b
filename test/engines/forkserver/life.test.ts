import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Arch, hostArch } from '../../../src/engines/forkserver/arch/arch.js';
import { buildTemplate } from '../../../src/engines/forkserver/build/build-template.js';
import { Launcher } from '../../../src/engines/forkserver/build/launch.js';
import { killAndReap } from '../../../src/engines/forkserver/build/tracee.js';
import { openSocketPair } from '../../../src/engines/forkserver/ipc/channel.js';
import { RequestBlock } from '../../../src/engines/forkserver/ipc/request-block.js';
import { sendmsg } from '../../../src/engines/native-code/libc-calls.js';
import { close, read } from '../../../src/os/libc.js';
import { type ActivationPipes, openPipes } from '../../../src/os/pipes.js';
import { createResourceMemory, ResourceTable } from '../../../src/shared-memory/resource-table.js';
import { EngineFixture, type EngineRun } from '../../support/run-engine.js';
import { stateOf, templatesOf, until } from '../../support/waiting.js';

const SCRIPT = '#!/bin/sh\necho "$1" >> ran\necho "$__OW_ACTIVATION_ID"\n';

/** How often it is tried to stop a clone within the microseconds in which it is on its way. */
const MAX_ATTEMPTS = 500;

/** A clone that was stopped before it had begun. */
interface Caught {
  readonly pid: number;
  readonly template: number;
  /** How many runs have begun, this one not among them. */
  readonly begun: number;
  /** This one and two others, which have ended. */
  readonly runs: Promise<unknown>;
  readonly outcomes: readonly string[];
}

let rig: EngineFixture;
afterEach(() => rig.close());

const variables = { __OW_ACTIVATION_ID: 'a1' };
const run = (argument = '{}', more = {}): Promise<EngineRun> =>
  rig.run({ argument, variables: { ...variables, ...more } });

/** Templates and prewarmed clones of this very process: other tests run in others. */
const templates = (): number[] => templatesOf(process.pid).sort((a, b) => a - b);

/** The children of this process that stand still. */
function stopped(): number[] {
  return readdirSync('/proc/self/task')
    .flatMap((thread) => readFileSync(`/proc/self/task/${thread}/children`, 'latin1').split(' '))
    .filter(Boolean)
    .map(Number)
    .filter((pid) => stateOf(pid) === 'T');
}

async function prewarmedClones(): Promise<number[]> {
  await until('spare clones wait', () => templates().length === 3);
  // They exist before the engine has heard of them.
  await delay(30);
  return templates().slice(1);
}

async function expectRun(): Promise<void> {
  expect(await run()).toMatchObject({ outcome: 'started', stdout: 'a1\n', exit: { status: 0 } });
}

describe('a template that waits for nobody', () => {
  /** Runs until a clone takes it. */
  async function warm(): Promise<void> {
    await until('a template is there', async () => (await run()).outcome === 'started');
    rmSync(join(rig.root, 'ran'), { force: true });
  }

  function begin(): void {
    rig = new EngineFixture('forkserver', false);
    rig.installScript(SCRIPT);
  }

  it('is made in the background; until then the next engine is asked', async () => {
    begin();
    expect((await run()).outcome).toBe('no_template');
    await warm();
    await expectRun();
    expect(rig.stats.counters.templatesBuilt).toBe(1);
  });

  it('is made anew for other variables, and for longer ones', async () => {
    begin();
    await warm();
    expect((await run('{}', { __OW_NEW: 'x' })).outcome).toBe('other_names');
    await until('it has the new one', async () => (await run('{}', { __OW_NEW: 'x' })).outcome === 'started');
    const long = 'y'.repeat(20_000);
    expect((await run(long, { __OW_NEW: 'x' })).outcome).toBe('too_large');
    await until('it has room', async () => (await run(long, { __OW_NEW: 'x' })).outcome === 'started');
    expect((await run('{}', { __OW_NEW: long })).outcome).toBe('too_large');
    await until(
      'it has room for both',
      async () => (await run(long, { __OW_NEW: long })).outcome === 'started',
    );
  });

  it('is kept beside one for other variables: callers with and without them may take turns', async () => {
    begin();
    await warm();
    const traced = { TRACEPARENT: 'p', TRACESTATE: 's' };
    await until('it has the other one', async () => (await run('{}', traced)).outcome === 'started');
    for (let count = 0; count < 10; count++) {
      await expectRun();
      expect((await run('{}', traced)).outcome).toBe('started');
    }
    expect(rig.stats.counters.templatesBuilt).toBe(2);
  });

  it('is kept beside three: a fifth takes the place of one that nobody has used for a while', async () => {
    begin();
    await warm();
    const kinds = [{}, { TRACEPARENT: 'p' }, { TRACEPARENT: 'p', TRACESTATE: 's' }, { A: 'x' }];
    for (const kind of kinds)
      await until('it has one of each', async () => (await run('{}', kind)).outcome === 'started');
    for (let count = 0; count < 5; count++) {
      for (const kind of kinds) expect((await run('{}', kind)).outcome).toBe('started');
      expect((await run('{}', { B: 'x' })).outcome).toBe('other_names');
      await delay(20);
    }
    expect(rig.stats.counters.templatesBuilt).toBe(4);
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + 10_000);
    try {
      const [idle = {}, ...used] = kinds;
      for (const kind of used) expect((await run('{}', kind)).outcome).toBe('started');
      await until('it has the fifth', async () => (await run('{}', { B: 'x' })).outcome === 'started');
      for (const kind of used) expect((await run('{}', kind)).outcome).toBe('started');
      expect((await run('{}', idle)).outcome).toBe('other_names');
      expect(rig.stats.counters.templatesBuilt).toBe(5);
    } finally {
      clock.mockRestore();
    }
  });

  it('is no run to who looks for one by its arguments', async () => {
    begin();
    await warm();
    await prewarmedClones();
    for (const pid of templates())
      expect(readFileSync(`/proc/${pid}/cmdline`, 'latin1').replace(/\0+$/, '')).toBe('hs-template');
    for (const pid of templates()) expect(readFileSync(`/proc/${pid}/environ`, 'latin1')).toBe('');
  });

  it('never takes what no template can hold', async () => {
    begin();
    await warm();
    expect((await run('z'.repeat(131_072))).outcome).toBe('too_large');
    expect((await run('{}', { __OW_ACTIVATION_ID: 'z'.repeat(40_000) })).outcome).toBe('too_large');
    await expectRun();
  });

  it('is not used once the executable has changed, in whatever way', async () => {
    begin();
    const changes = [
      () => writeFileSync(rig.exec, SCRIPT.replace('echo "$__', 'echo "new $__')),
      () => utimesSync(rig.exec, 1, 1),
      () => rig.installScript(SCRIPT),
    ];
    for (const change of changes) {
      await warm();
      change();
      expect((await run()).outcome).toMatch(/^(changed|no_template)$/);
    }
  });

  it('is renewed after so many runs, for another layout of the address space', async () => {
    rig = new EngineFixture('forkserver', false, 10);
    rig.installScript('#!/bin/sh\nread -r layout _ < /proc/$$/maps\necho "$layout"\n');
    const layouts = new Set<string>();
    for (let count = 0; count < 60; count++) {
      const { outcome, stdout } = await run();
      if (outcome === 'started') layouts.add(stdout);
      await delay(2);
    }
    const { templatesRenewed, templatesBuilt } = rig.stats.counters;
    expect(templatesRenewed).toBeGreaterThan(2);
    expect(templatesBuilt).toBe(templatesRenewed + 1);
    expect(layouts.size).toBe(templatesBuilt);
  });

  it('that can’t be made is not tried at every run', async () => {
    rig = new EngineFixture('forkserver', false);
    rig.installScript('no program\n');
    expect((await run()).outcome).toBe('no_template');
    await until('it was tried', () => rig.stats.counters.templatesFailed === 1);
    for (let count = 0; count < 20; count++) expect((await run()).outcome).toBe('unsuitable');
    await delay(50);
    expect(rig.stats.counters.templatesFailed).toBe(1);
    // Another file is another matter.
    writeFileSync(rig.exec, SCRIPT);
    expect((await run()).outcome).toBe('no_template');
    await warm();
  });
});

describe('a template that ends', () => {
  async function begin(): Promise<[template: number]> {
    rig = new EngineFixture('forkserver');
    rig.installScript(SCRIPT);
    await expectRun();
    const [template] = templates();
    return [template as number];
  }

  /** Kills the prewarmed clones, so that the template itself has to serve. */
  async function withoutPrewarmedClones(): Promise<void> {
    for (const pid of await prewarmedClones()) process.kill(pid, 'SIGKILL');
    await until('they are gone', () => templates().length === 1);
  }

  function ran(): number {
    const path = join(rig.root, 'ran');
    return existsSync(path) ? readFileSync(path, 'latin1').split('\n').length - 1 : 0;
  }

  it('between runs is told of, reaped, and after a moment made again', async () => {
    const [template] = await begin();
    await prewarmedClones();
    process.kill(template, 'SIGKILL');
    await until('it is reaped', () => stateOf(template) === undefined);
    await until('the next is made', async () => (await run()).outcome === 'started');
    expect(rig.stats.counters).toMatchObject({ templatesDied: 1 });
  });

  it('with a run that it has not begun: that is told as lost, and never runs', async () => {
    const [template] = await begin();
    await withoutPrewarmedClones();
    const before = ran();
    process.kill(template, 'SIGSTOP');
    const lost = run();
    process.kill(template, 'SIGKILL');
    expect((await lost).outcome).toBe('lost');
    await delay(50);
    expect(ran()).toBe(before);
  });

  it('by hanging is killed after a while, its run told as lost', async () => {
    const [template] = await begin();
    await withoutPrewarmedClones();
    process.kill(template, 'SIGSTOP');
    const begunMs = performance.now();
    expect((await run()).outcome).toBe('lost');
    expect(performance.now() - begunMs).toBeGreaterThan(1500);
    await until('it is reaped', () => stateOf(template) === undefined);
  });

  it('that stood still for less goes on: a container was frozen and thawed', async () => {
    const [template] = await begin();
    await withoutPrewarmedClones();
    process.kill(template, 'SIGSTOP');
    const waiting = run();
    await delay(300);
    process.kill(template, 'SIGCONT');
    expect(await waiting).toMatchObject({ outcome: 'started', stdout: 'a1\n' });
    await expectRun();
  });

  /** Stops all processes of the template's group, again and again, until one is a clone that has not begun. */
  async function catchClone(): Promise<Caught> {
    rig = new EngineFixture('forkserver');
    rig.installScript(SCRIPT);
    // So many letters take a clone a while to look through.
    const slow = (): Promise<EngineRun> => run('{}', { __OW_LONG: 'x'.repeat(30_000) });
    await slow();
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      await prewarmedClones();
      const known = templates();
      const [template] = known as [number];
      const before = ran();
      // Two take what waits, the third is cloned for.
      const outcomes: string[] = [];
      const runs = [slow(), slow(), slow()].map(async (one) => outcomes.push((await one).outcome));
      const stopAtMs = performance.now() + (attempt % 30) / 100;
      while (performance.now() < stopAtMs);
      process.kill(-template, 'SIGSTOP');
      await delay(20);
      const caught = stopped().filter((pid) => !known.includes(pid));
      const [pid] = caught;
      if (pid !== undefined && outcomes.length === 2)
        return { pid, template, begun: before + 2, runs: Promise.all(runs), outcomes };
      for (const one of [-template, ...caught]) process.kill(one, 'SIGCONT');
      await Promise.all(runs);
    }
    throw new Error('no clone was caught on its way');
  }

  it.each([['stands still, too'], ['has ended']])(
    'and a clone that stands still on its way, while its template %s: its run is told as lost',
    async (what) => {
      const { pid, template, begun, runs, outcomes } = await catchClone();
      if (what === 'has ended') process.kill(template, 'SIGKILL');
      await runs;
      expect(outcomes).toEqual(['started', 'started', 'lost']);
      await until('it is reaped', () => stateOf(pid) === undefined);
      expect(ran()).toBe(begun);
    },
  );

  it('in the middle of many runs: each has run exactly once, or is told as not begun', async () => {
    await begin();
    let begun = 0;
    for (let round = 0; round < 10; round++) {
      const before = ran();
      const runs = Array.from({ length: 20 }, () => run());
      const [template] = templates();
      await delay(round % 4);
      if (template !== undefined) process.kill(template, 'SIGKILL');
      const outcomes = await Promise.all(runs);
      const started = outcomes.filter(({ outcome }) => outcome === 'started').length;
      for (const { outcome } of outcomes)
        expect(outcome).toMatch(/^(started|lost|busy|unsuitable|no_template)$/);
      expect(ran() - before).toBe(started);
      begun += started;
      await until('there is a template again', async () => (await run()).outcome === 'started');
    }
    expect(begun).toBeGreaterThan(0);
  });
});

describe('a clone that was made ahead', () => {
  async function begin(): Promise<void> {
    rig = new EngineFixture('forkserver');
    rig.installScript(SCRIPT);
    await expectRun();
    await prewarmedClones();
  }

  it('takes the run of a single caller', async () => {
    await begin();
    const before = rig.stats.counters.spareHits;
    for (let count = 0; count < 5; count++) {
      await expectRun();
      await prewarmedClones();
    }
    expect(rig.stats.counters.spareHits - before).toBe(5);
  });

  it('takes the runs of its own template only, and each gets some', async () => {
    await begin();
    const traced = (): Promise<EngineRun> => run('{}', { TRACEPARENT: 'p' });
    await traced();
    const before = rig.stats.counters.spareHits;
    for (let count = 0; count < 6; count++) {
      expect(await run()).toMatchObject({ outcome: 'started', stdout: 'a1\n' });
      expect(await traced()).toMatchObject({ outcome: 'started', stdout: 'a1\n' });
      await until('two templates and two clones wait', () => templates().length === 4);
      await delay(30);
    }
    expect(rig.stats.counters.spareHits).toBeGreaterThan(before + 2);
    expect(rig.stats.counters.templatesBuilt).toBe(2);
  });

  it('that was killed while it waited is reaped, and another takes the run', async () => {
    await begin();
    for (const pid of await prewarmedClones()) process.kill(pid, 'SIGKILL');
    await until('they have ended', () => templates().length === 1);
    await expectRun();
    await until('there are two again', () => templates().length === 3);
    for (const pid of templates()) expect(stateOf(pid)).not.toBe('Z');
  });

  it('that stands still is killed after a while, its run told as lost', async () => {
    await begin();
    for (const pid of await prewarmedClones()) process.kill(pid, 'SIGSTOP');
    expect((await run()).outcome).toBe('lost');
    await until('they are reaped', () => templates().every((pid) => stateOf(pid) !== 'Z'));
  });

  it('is let go under load, and when the action changes', async () => {
    await begin();
    const discarded = rig.stats.counters.sparesDiscarded;
    await Promise.all(Array.from({ length: 30 }, () => run()));
    await prewarmedClones();
    rig.installScript(SCRIPT);
    await until('none is left', () => templates().length === 0);
    expect(rig.stats.counters.sparesDiscarded).toBeGreaterThan(discarded);
  });

  it('survives that everything stands still for a while', async () => {
    await begin();
    const all = templates();
    for (const pid of all) process.kill(pid, 'SIGSTOP');
    await delay(100);
    for (const pid of all) process.kill(pid, 'SIGCONT');
    const before = rig.stats.counters.spareHits;
    await expectRun();
    expect(rig.stats.counters.spareHits).toBe(before + 1);
    expect(templates()).toContain(all[0]);
  });
});

it('a clone that can tell nobody that it begins does not begin', async () => {
  rig = new EngineFixture('forkserver');
  rig.installScript(SCRIPT);
  const launcher = new Launcher(hostArch() as Arch, new ResourceTable(createResourceMemory(1), 1), undefined);
  const [ours, theirs] = openSocketPair() as [number, number];
  const pipes = openPipes() as ActivationPipes;
  const layout = { names: ['ONE'], argumentCapacityBytes: 4096, variablesCapacityBytes: 1024 };
  try {
    const action = { exec: rig.exec, folder: rig.root, environment: [] };
    const { pid } = buildTemplate(launcher, hostArch() as Arch, { action, layout, socket: theirs });
    process.kill(pid, 'SIGSTOP');
    const message = new RequestBlock().encodeRun(1, layout, Buffer.from('{}'), [['ONE', 'x']], pipes.child);
    expect(sendmsg(ours, message as bigint, 0)).toBeGreaterThan(0);
    for (const fd of [ours, theirs, ...pipes.child]) close(fd);
    process.kill(pid, 'SIGCONT');
    // The template goes when nobody is there, its clone before it.
    await until('it has ended', () => stateOf(pid) === 'Z');
    await until('nobody holds its output', () => read(pipes.stdout, Buffer.alloc(1), 1) === 0);
    expect(existsSync(join(rig.root, 'ran'))).toBe(false);
    killAndReap(pid);
  } finally {
    for (const fd of [pipes.stdin, pipes.stdout, pipes.stderr]) close(fd);
    launcher.close();
  }
});
