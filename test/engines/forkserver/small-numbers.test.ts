import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const TELLER = fileURLToPath(new URL('../../fixtures/templates-by-number.mjs', import.meta.url));
/** Process numbers from 1 on, as in a container. */
const OWN_NUMBERS = ['--pid', '--fork', '--mount-proc'];
const PROGRAM = 'int main(void) { return 0; }';
/** The C library calls the program's allocator at its start, which copies the thread id of glibc's descriptor. */
const KEEPS_THREAD_ID = `
#include <stddef.h>
#include <string.h>
__attribute__((used)) static const char mark[] = "free(): invalid pointer";
static char pool[1 << 20]; static size_t used; int kept;
void *malloc(size_t n) {
  __asm__("movl %%fs:0x2d0, %0" : "=r"(kept));
  used += (n + 31) & ~15ul;
  return pool + used - ((n + 31) & ~15ul);
}
void free(void *p) {}
void *calloc(size_t a, size_t b) { return memset(malloc(a * b), 0, a * b); }
void *realloc(void *p, size_t n) { return p ? memcpy(malloc(n), p, n) : malloc(n); }
int main(void) { return 0; }
`;

/** How the namespaces are made: with a namespace of one user too, as an ordinary user makes them. */
const IN_USER_NAMESPACE = ['unshare', '--user', '--map-root-user'];
const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const works = (command: readonly string[]): boolean => {
  const [program = '', ...further] = command;
  return spawnSync(program, [...further, ...OWN_NUMBERS, process.execPath, '-p', '1']).status === 0;
};
const ways = [
  { user: 'the users of this system', command: ['unshare'] },
  {
    user: 'one user, who owns no library',
    command: process.getuid?.() === 0 ? [...AS_NOBODY, ...IN_USER_NAMESPACE] : IN_USER_NAMESPACE,
  },
].filter(({ command }) => works(command));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-numbers-'));
  chmodSync(folder, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true }));

function compile(name: string, source: string, ...further: string[]): string {
  writeFileSync(join(folder, `${name}.c`), source);
  const program = join(folder, name);
  execFileSync('gcc', ['-w', '-O1', '-o', program, join(folder, `${name}.c`), ...further]);
  return program;
}

function script(): string {
  const path = join(folder, 'script');
  writeFileSync(path, '#!/bin/bash\necho "{}"\n');
  chmodSync(path, 0o755);
  return path;
}

function templatesOf(command: readonly string[], programs: readonly string[]): unknown {
  const [program = '', ...further] = command;
  const output = execFileSync(program, [...further, ...OWN_NUMBERS, process.execPath, TELLER, ...programs], {
    encoding: 'utf8',
  });
  return JSON.parse(output);
}

describe.skipIf(ways.length > 0)('process numbers', () => {
  it.skip('no namespace of their own can be made here', () => {});
});

describe.each(ways)('where process numbers are as small as in a container of $user', ({ command }) => {
  it('other numbers that are the same by chance keep no program from its freeze point', () => {
    const programs = [
      script(),
      '/usr/bin/python3',
      compile('dynamic', PROGRAM),
      compile('static', PROGRAM, '-static'),
    ];
    const best = { freezePoints: ['entry'], reasons: [''] };
    expect(templatesOf(command, programs)).toEqual(programs.map(() => best));
  });

  it.runIf(process.arch === 'x64')('a thread id that is kept in a second place is found', () => {
    expect(templatesOf(command, [compile('keeps', KEEPS_THREAD_ID, '-static')])).toEqual([
      { freezePoints: ['exec'], reasons: ['its thread id is'] },
    ]);
  });
});
