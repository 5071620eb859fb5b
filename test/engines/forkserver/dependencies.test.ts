import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { prlimit } from '../../../src/os/libc.js';
import { EngineFixture } from '../../support/run-engine.js';
import { until } from '../../support/waiting.js';

/** getrlimit(2): a limit that nothing here has a use for. */
const RLIMIT_MSGQUEUE = 12;

let built: string;
let rig: EngineFixture;

beforeAll(() => {
  built = mkdtempSync(join(tmpdir(), 'hyperskeleton-files-'));
  for (const word of ['first', 'second'])
    compile(`${word}.so`, `const char *say(void) { return "${word}"; }`, '-shared', '-fPIC');
});
afterAll(() => rmSync(built, { recursive: true }));
beforeEach(() => {
  rig = new EngineFixture('forkserver');
});
afterEach(() => rig.close());

function compile(name: string, source: string, ...flags: string[]): string {
  const path = join(built, name);
  writeFileSync(`${path}.c`, source);
  execFileSync('gcc', ['-w', '-O1', '-o', path, `${path}.c`, ...flags]);
  return path;
}

/** What a run says; it must have been a clone of a template. */
async function said(): Promise<string> {
  const { outcome, stdout } = await rig.run({ argument: '{}' });
  expect(outcome).toBe('started');
  return stdout.trim();
}

/** Puts a file into the place of another, as a whole. */
function place(from: string, to: string): void {
  copyFileSync(from, `${to}.next`);
  chmodSync(`${to}.next`, 0o755);
  renameSync(`${to}.next`, to);
}

function script(path: string, text: string): void {
  writeFileSync(`${path}.next`, text, { mode: 0o755 });
  renameSync(`${path}.next`, path);
}

describe('C-RUN-14: the very next process has the libraries that a spawned one would have', () => {
  const SAYS = '#include <stdio.h>\nconst char *say(void); int main(void) { puts(say()); return 0; }';
  let folder: string;

  beforeEach(() => {
    folder = join(rig.root, 'lib');
    mkdirSync(folder);
  });

  function install(environment: Record<string, string> = {}): void {
    place(join(built, 'first.so'), join(folder, 'libsay.so'));
    const search = ['-L', folder, '-lsay', `-Wl,-rpath,${folder}`];
    rig.installProgram(compile('says', SAYS, ...search), environment);
  }

  it('one is replaced', async () => {
    install();
    expect(await said()).toBe('first');
    place(join(built, 'second.so'), join(folder, 'libsay.so'));
    expect(await said()).toBe('second');
  });

  it('the link that leads to one is made anew', async () => {
    install();
    copyFileSync(join(built, 'second.so'), join(folder, 'second'));
    renameSync(join(folder, 'libsay.so'), join(folder, 'first'));
    symlinkSync('first', join(folder, 'libsay.so'));
    expect(await said()).toBe('first');
    symlinkSync('second', join(folder, 'next'));
    renameSync(join(folder, 'next'), join(folder, 'libsay.so'));
    expect(await said()).toBe('second');
  });

  it('one appears in a folder that is searched before', async () => {
    const before = join(rig.root, 'before');
    install({ LD_LIBRARY_PATH: before });
    expect(await said()).toBe('first');
    mkdirSync(before);
    copyFileSync(join(built, 'second.so'), join(before, 'libsay.so'));
    expect(await said()).toBe('second');
  });

  it('one that is preloaded appears', async () => {
    const preloaded = join(rig.root, 'preloaded.so');
    install({ LD_PRELOAD: preloaded });
    expect(await said()).toBe('first');
    copyFileSync(join(built, 'second.so'), preloaded);
    expect(await said()).toBe('second');
  });

  it('a folder that is searched may change as it likes', async () => {
    install({ LD_LIBRARY_PATH: rig.root });
    for (let run = 0; run < 5; run++) {
      writeFileSync(join(rig.root, `file-${run}`), 'x');
      expect(await said()).toBe('first');
    }
    expect(rig.stats.counters.templatesBuilt).toBe(1);
  });

  it('one is deleted: the loader says so', async () => {
    install();
    expect(await said()).toBe('first');
    rmSync(join(folder, 'libsay.so'));
    // The loader's own complaint: it is stopped before it looks.
    expect(await rig.run({ argument: '{}' })).toMatchObject({
      outcome: 'started',
      stdout: '',
      stderr: expect.stringContaining('libsay.so: cannot open shared object file'),
      exit: { status: 127 },
    });
  });

  it('the loader is another', async () => {
    const loader = join(rig.root, 'loader');
    const system = execFileSync('gcc', ['-print-file-name=ld-linux-x86-64.so.2'], {
      encoding: 'utf8',
    }).trim();
    place(system, loader);
    rig.installProgram(
      compile(
        'loaded',
        SAYS.replace('say()', '"loaded"').replace('const char *say(void);', ''),
        `-Wl,--dynamic-linker=${loader}`,
      ),
    );
    expect(await said()).toBe('loaded');
    place(join(built, 'first.so'), loader);
    expect((await rig.run({ argument: '{}' })).stdout).toBe('');
    place(system, loader);
    await until('it is started again', async () => (await rig.run()).stdout === 'loaded\n');
  });
});

describe('C-RUN-15: the very next process is of the executable that is there', () => {
  it('a link that leads elsewhere by now', async () => {
    for (const word of ['one', 'two']) script(join(rig.root, word), `#!/bin/sh\necho ${word}\n`);
    rig.installScript('#!/bin/sh\n');
    for (const word of ['one', 'two', 'one']) {
      symlinkSync(word, join(rig.root, 'next'));
      renameSync(join(rig.root, 'next'), rig.exec);
      expect(await said()).toBe(word);
    }
  });

  it('a script whose interpreter is a script, and that is another by now', async () => {
    const interpreter = join(rig.root, 'interpreter');
    script(interpreter, '#!/bin/sh\necho "one $1 $2"\n');
    rig.installScript(`#!${interpreter} word\n`);
    expect(await said()).toBe(`one word ${rig.exec}`);
    script(interpreter, '#!/bin/bash\necho "two $BASH"\n');
    expect(await said()).toBe('two /bin/bash');
  });

  it('an interpreter that is named from the action folder', async () => {
    script(join(rig.root, 'interpreter'), '#!/bin/sh\necho one\n');
    rig.installScript('#!./interpreter\n');
    expect(await said()).toBe('one');
    script(join(rig.root, 'interpreter'), '#!/bin/bash\necho "two $BASH"\n');
    expect(await said()).toBe('two /bin/bash');
  });

  it('an interpreter that is gone: nobody starts it', async () => {
    const interpreter = join(rig.root, 'interpreter');
    copyFileSync('/bin/sh', interpreter);
    rig.installScript(`#!${interpreter}\necho one\n`);
    expect(await said()).toBe('one');
    rmSync(interpreter);
    expect((await rig.run()).outcome).toBe('unsuitable');
    copyFileSync('/bin/sh', interpreter);
    chmodSync(interpreter, 0o755);
    expect(await said()).toBe('one');
  });

  it('an executable that is gone, and there again', async () => {
    rig.installScript('#!/bin/sh\necho one\n');
    expect(await said()).toBe('one');
    renameSync(rig.exec, `${rig.exec}.away`);
    expect((await rig.run()).outcome).toBe('unsuitable');
    renameSync(`${rig.exec}.away`, rig.exec);
    expect(await said()).toBe('one');
  });

  it('one that may not be executed any more', async () => {
    rig.installScript('#!/bin/sh\necho one\n');
    expect(await said()).toBe('one');
    chmodSync(rig.exec, 0o644);
    expect((await rig.run()).outcome).toBe('unsuitable');
    chmodSync(rig.exec, 0o755);
    expect(await said()).toBe('one');
  });
});

describe('C-RUN-13: the very next process begins in the action folder that is there', () => {
  const WHERE = '#!/bin/sh\ncat which\n';

  it('another one has its place, with the same executable', async () => {
    const common = join(rig.folder, 'common');
    script(common, WHERE);
    writeFileSync(join(rig.root, 'which'), 'old');
    symlinkSync(common, rig.exec);
    expect(await said()).toBe('old');
    renameSync(rig.root, join(rig.folder, 'away'));
    mkdirSync(rig.root);
    writeFileSync(join(rig.root, 'which'), 'new');
    symlinkSync(common, rig.exec);
    expect(await said()).toBe('new');
  });

  it('its path leads elsewhere by now', async () => {
    const [one, two] = [join(rig.folder, 'one'), join(rig.folder, 'two')];
    for (const folder of [one, two]) mkdirSync(folder);
    script(join(one, 'exec'), WHERE);
    linkSync(join(one, 'exec'), join(two, 'exec'));
    for (const folder of [one, two]) writeFileSync(join(folder, 'which'), folder);
    rmSync(rig.root, { recursive: true });
    symlinkSync(one, rig.root);
    expect(await said()).toBe(one);
    symlinkSync(two, join(rig.folder, 'next'));
    renameSync(join(rig.folder, 'next'), rig.root);
    expect(await said()).toBe(two);
  });
});

it('C-RUN-14: a limit that the server was given meanwhile reaches its processes', async () => {
  rig.installScript('#!/bin/bash\nulimit -Sq\n');
  const before = await said();
  const limits = new BigUint64Array(2);
  prlimit(0, RLIMIT_MSGQUEUE, null, limits);
  expect(before).toBe(String(limits[0]));
  try {
    prlimit(0, RLIMIT_MSGQUEUE, BigUint64Array.of(1234n, limits[1] as bigint), null);
    await until('it is there', async () => (await said()) === '1234');
  } finally {
    prlimit(0, RLIMIT_MSGQUEUE, limits, null);
  }
  await until('it is as it was', async () => (await said()) === before);
});

describe('C-RUN-15: files of several folders may be one', () => {
  /** Says which library it has, and where it was started from. */
  const SAYS = `#include <stdio.h>
#include <unistd.h>
const char *say(void);
int main(void) { char path[4096] = {0}; readlink("/proc/self/exe", path, 4095); printf("%s %s\\n", say(), path); return 0; }`;
  let program: string;
  beforeAll(() => {
    copyFileSync(join(built, 'first.so'), join(built, 'libsay.so'));
    program = compile('releases', SAYS, '-L', built, '-lsay', '-Wl,-rpath,$ORIGIN/../lib');
  });

  /** Two releases, whose executables are hard links of one file; each has a library of its own. */
  function release(name: string, library: string): string {
    const folder = join(rig.root, name);
    for (const part of ['bin', 'lib']) mkdirSync(join(folder, part), { recursive: true });
    const first = join(rig.root, 'one/bin/program');
    if (name === 'one') copyFileSync(program, first);
    else linkSync(first, join(folder, 'bin/program'));
    copyFileSync(join(built, library), join(folder, 'lib/libsay.so'));
    return join(folder, 'bin/program');
  }

  function link(target: string, path: string): void {
    symlinkSync(target, `${path}.next`);
    renameSync(`${path}.next`, path);
  }

  it('a link on the way to the executable is switched', async () => {
    const [one, two] = [release('one', 'first.so'), release('two', 'second.so')];
    link('one', join(rig.root, 'current'));
    rig.installScript('');
    link('current/bin/program', rig.exec);
    for (const [name, said_] of [
      ['one', `first ${one}`],
      ['two', `second ${two}`],
      ['one', `first ${one}`],
    ] as const) {
      link(name, join(rig.root, 'current'));
      expect(await said()).toBe(said_);
    }
  });

  it('the link that is the executable is switched, between files that are one', async () => {
    const [one, two] = [release('one', 'first.so'), release('two', 'first.so')];
    rig.installScript('');
    for (const path of [one, two, one]) {
      link(path, rig.exec);
      expect(await said()).toBe(`first ${path}`);
    }
  });

  it('a folder on the way takes the place of another', async () => {
    release('one', 'first.so');
    release('two', 'second.so');
    rig.installScript('');
    link('one/bin/program', rig.exec);
    const path = join(rig.root, 'one/bin/program');
    expect(await said()).toBe(`first ${path}`);
    renameSync(join(rig.root, 'one'), join(rig.root, 'before'));
    renameSync(join(rig.root, 'two'), join(rig.root, 'one'));
    expect(await said()).toBe(`second ${path}`);
  });

  it('a link on the way to a script’s interpreter is switched', async () => {
    const [one, two] = [release('one', 'first.so'), release('two', 'second.so')];
    link('one', join(rig.root, 'current'));
    rig.installScript(`#!${rig.root}/current/bin/program\n`);
    expect(await said()).toBe(`first ${one}`);
    link('two', join(rig.root, 'current'));
    expect(await said()).toBe(`second ${two}`);
  });

  it('a link on the way to a library is switched: its file is told by its name', async () => {
    const maps = `#include <stdio.h>
#include <string.h>
const char *say(void);
int main(void) { char line[4096]; FILE *maps = fopen("/proc/self/maps", "r"); say();
while (fgets(line, 4096, maps)) if (strstr(line, "libsay.so")) { printf("%s", strchr(line, '/')); break; } return 0; }`;
    const folders = ['one', 'two'].map((name) => join(rig.root, name));
    for (const folder of folders) mkdirSync(folder);
    const [first = '', second = ''] = folders.map((folder) => join(folder, 'libsay.so'));
    copyFileSync(join(built, 'first.so'), first);
    linkSync(first, second);
    link('one', join(rig.root, 'current'));
    rig.installProgram(
      compile('maps', maps, '-L', built, '-lsay', `-Wl,-rpath,${join(rig.root, 'current')}`),
    );
    expect(await said()).toBe(first);
    link('two', join(rig.root, 'current'));
    expect(await said()).toBe(second);
  });
});

it.runIf(process.getuid?.() === 0)(
  'an action folder below /usr: its libraries are looked at for each run',
  async () => {
    const folder = mkdtempSync('/usr/local/lib/hyperskeleton-');
    try {
      const library = join(folder, 'libsay.so');
      place(join(built, 'first.so'), library);
      const source = '#include <stdio.h>\nconst char *say(void); int main(void) { puts(say()); return 0; }';
      const program = compile('below-usr', source, '-L', folder, '-lsay', `-Wl,-rpath,${folder}`);
      rig.installProgram(program, {}, folder);
      for (const word of ['first', 'second', 'first']) {
        place(join(built, `${word}.so`), library);
        expect(await said()).toBe(word);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
