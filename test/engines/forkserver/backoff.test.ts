import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { EngineFixture } from '../../support/run-engine.js';
import { templatesOf, until } from '../../support/waiting.js';

const SIGSEGV = 11;
/** How often a template may be made until a file changes just then. */
const MAX_ATTEMPTS = 200;
/** What a clone differs in: it has not executed anything (PF_FORKNOEXEC, proc(5)). */
const DIES_AS_CLONE = `#!/bin/bash
read -r stat < /proc/$$/stat; set -- \${stat##*)}
[ $(( $7 & 0x40 )) = 0 ] || [ -e spared ] || kill -SEGV $$
echo alive
`;
const SAYS = '#include <stdio.h>\nconst char *say(void); int main(void) { puts(say()); return 0; }';

let built: string;
let rig: EngineFixture;
beforeAll(() => {
  built = mkdtempSync(join(tmpdir(), 'hyperskeleton-setbacks-'));
});
afterAll(() => rmSync(built, { recursive: true }));
afterEach(async () => {
  vi.restoreAllMocks();
  await rig.close();
});

function compile(name: string, source: string, ...flags: string[]): string {
  const path = join(built, name);
  writeFileSync(`${path}.c`, source);
  execFileSync('gcc', ['-w', '-O1', '-o', path, `${path}.c`, ...flags]);
  return path;
}

const now = performance.now.bind(performance);

/** Lets so much time have passed since the begin, for everything that looks at it. */
function skip(ms: number): void {
  vi.spyOn(performance, 'now').mockImplementation(() => now() + ms);
}

describe('a self-test that failed', () => {
  it('is made again after a while: what was in its way, as a want of descriptors, may be over', async () => {
    rig = new EngineFixture('forkserver');
    rig.installScript('#!/bin/sh\necho "{}"\n');
    rig.failSelfTest("/proc/self/fd/27 can't be read");
    expect((await rig.run()).outcome).toBe('unsuitable');
    skip(9000);
    expect((await rig.run()).outcome).toBe('unsuitable');
    skip(11_000);
    expect((await rig.run()).outcome).toBe('started');
  });
});

describe('a template whose clones end by faults', () => {
  it('is given up after three in a row: the action runs without one for a while', async () => {
    rig = new EngineFixture('forkserver');
    rig.installScript(DIES_AS_CLONE);
    for (let run = 0; run < 3; run++)
      expect(await rig.run()).toMatchObject({ outcome: 'started', exit: { signal: SIGSEGV } });
    for (let run = 0; run < 5; run++) expect((await rig.run()).outcome).toBe('given_up');
    expect(rig.stats.counters).toMatchObject({ templatesBuilt: 1, templatesGivenUp: 1 });
    await until('it has ended, and its clones', () => templatesOf(process.pid).length === 0);
    // Later it is tried again, and the next time not for longer.
    skip(61_000);
    for (let run = 0; run < 3; run++) expect((await rig.run()).outcome).toBe('started');
    skip(122_000);
    expect((await rig.run()).outcome).toBe('given_up');
    skip(61_000 + 241_000);
    expect((await rig.run()).outcome).toBe('started');
  });

  it('is not given up when the action changes, nor by its files', async () => {
    rig = new EngineFixture('forkserver');
    rig.installScript(DIES_AS_CLONE);
    for (let run = 0; run < 3; run++) await rig.run();
    expect((await rig.run()).outcome).toBe('given_up');
    writeFileSync(rig.exec, '#!/bin/sh\necho other\n');
    expect(await rig.run()).toMatchObject({ outcome: 'started', stdout: 'other\n' });
    rig.installScript(DIES_AS_CLONE);
    for (let run = 0; run < 3; run++) await rig.run();
    expect((await rig.run()).outcome).toBe('given_up');
    rig.installScript('#!/bin/sh\necho another\n');
    expect(await rig.run()).toMatchObject({ outcome: 'started', stdout: 'another\n' });
  });

  it('is kept where others end well in between, or by what they do themselves', async () => {
    rig = new EngineFixture('forkserver');
    rig.installScript(DIES_AS_CLONE);
    const spared = join(rig.root, 'spared');
    for (let round = 0; round < 4; round++) {
      for (let run = 0; run < 2; run++) expect((await rig.run()).exit.signal).toBe(SIGSEGV);
      writeFileSync(spared, '');
      expect((await rig.run()).stdout).toBe('alive\n');
      rmSync(spared);
    }
    rig.installScript('#!/bin/sh\nkill -ABRT $$\n');
    for (let run = 0; run < 5; run++) expect((await rig.run()).outcome).toBe('started');
    expect(rig.stats.counters.templatesGivenUp).toBe(0);
  });

  it.runIf(process.getuid?.() === 0)(
    'for a library of the system was overwritten in place: the next run has the new one',
    async () => {
      const folder = mkdtempSync('/usr/local/lib/hyperskeleton-');
      try {
        rig = new EngineFixture('forkserver');
        const library = join(folder, 'libsay.so');
        copyFileSync(
          compile('one.so', 'const char *say(void) { return "one"; }', '-shared', '-fPIC'),
          library,
        );
        rig.installProgram(compile('far', SAYS, '-L', folder, '-lsay', `-Wl,-rpath,${folder}`));
        expect((await rig.run()).stdout).toBe('one\n');
        // Where the function was are instructions that there are none of.
        const two = `__asm__(".text\\n.fill 4096, 2, 0x0b0f"); const char *say(void) { return "two"; }`;
        writeFileSync(library, readFileSync(compile('two.so', two, '-shared', '-fPIC')));
        const said = [];
        for (let run = 0; run < 4; run++) said.push((await rig.run()).stdout);
        expect(said.slice(1)).toEqual(['two\n', 'two\n', 'two\n']);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});

describe('a template that could have stood later', () => {
  /** Whether what is there stands where its libraries are loaded. */
  function standsLater(library: string): boolean {
    const [template] = templatesOf(process.pid).sort((a, b) => a - b);
    return template !== undefined && readFileSync(`/proc/${template}/maps`, 'latin1').includes(library);
  }

  /** An action with a library in a folder of its own. */
  function install(): string {
    const folder = join(rig.root, 'lib');
    mkdirSync(folder);
    const library = join(folder, 'libsay.so');
    copyFileSync(compile('say.so', 'const char *say(void) { return "said"; }', '-shared', '-fPIC'), library);
    chmodSync(library, 0o755);
    rig.installProgram(compile('says', SAYS, '-L', folder, '-lsay', `-Wl,-rpath,${folder}`));
    return library;
  }

  async function run(): Promise<void> {
    expect(await rig.run()).toMatchObject({ outcome: 'started', stdout: 'said\n' });
  }

  it('had a file not changed just then: it is made anew once the file has settled', async () => {
    rig = new EngineFixture('forkserver');
    const library = install();
    let changes: ChildProcess | undefined;
    try {
      changes = spawn('sh', ['-c', `while :; do touch "$0"; done`, library], { stdio: 'ignore' });
      for (let attempt = 0; ; attempt++) {
        expect(attempt).toBeLessThan(MAX_ATTEMPTS);
        await run();
        if (!standsLater(library)) break;
      }
    } finally {
      changes?.kill('SIGKILL');
    }
    await until('it stands later', async () => {
      await run();
      return standsLater(library);
    });
    skip(60_000);
    const { templatesBuilt } = rig.stats.counters;
    for (let count = 0; count < 5; count++) await run();
    expect(rig.stats.counters.templatesBuilt).toBe(templatesBuilt);
  });

  it('had its start not taken so long: it is given more time, once', async () => {
    rig = new EngineFixture('forkserver', true, 10_000, 1);
    const library = install();
    await run();
    expect(standsLater(library)).toBe(false);
    await until('it stands later', async () => {
      await run();
      return standsLater(library);
    });
    expect(rig.stats.counters).toMatchObject({ templatesBuilt: 2, templatesFailed: 0 });
  });
});
