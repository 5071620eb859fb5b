import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineFixture, type EngineRun } from '../../support/run-engine.js';

/** The first word of each run: what a counter of the processor showed when the author's code ran first. */
const BORN = `#include <stddef.h>
#include <string.h>
#include <x86intrin.h>
unsigned long long born;
static void begin(void) { if (born == 0) born = __rdtsc(); }
`;
const ALLOCATOR = `${BORN}
static char pool[8 << 20]; static size_t used;
EXTERN void *malloc(size_t n) { begin(); used += (n + 31) & ~15ul; return pool + used - ((n + 31) & ~15ul); }
EXTERN void free(void *p) {}
EXTERN void *calloc(size_t a, size_t b) { return memset(malloc(a * b), 0, a * b); }
EXTERN void *realloc(void *p, size_t n) { return p ? memcpy(malloc(n), p, n) : malloc(n); }
`;
const TELLS = `#include <stdio.h>
extern unsigned long long born;
int main(void) { printf("%llu\\n", born); return 0; }
`;
/** A program that asks a library for it. */
const TOLD = `#include <stdio.h>
unsigned long long told(void);
int main(void) { printf("%llu\\n", told()); return 0; }
`;
const CLONES = 3;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-own-code-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function compile(name: string, source: string, ...flags: string[]): string {
  const path = join(folder, name);
  const file = `${path}.${name.endsWith('++') ? 'cc' : 'c'}`;
  writeFileSync(file, source);
  const compiler = name.endsWith('++') ? 'g++' : 'gcc';
  execFileSync(compiler, ['-w', '-O1', '-o', path, file, ...flags], { cwd: folder });
  return path;
}

/** A library, and the flags to link a program with it. */
function library(name: string, source: string, ...flags: string[]): string[] {
  compile(`lib${name}.so`, source, '-shared', '-fPIC', ...flags);
  return [`-L${folder}`, '-Wl,--no-as-needed', `-l${name}`, `-Wl,-rpath,${folder}`];
}

/** What so many clones say. */
async function saidByClones(program: string, environment: Record<string, string> = {}): Promise<string[]> {
  const rig = new EngineFixture('forkserver');
  try {
    rig.installProgram(program, environment);
    const runs: EngineRun[] = [];
    for (let count = 0; count < CLONES; count++) runs.push(await rig.run());
    expect(runs.map(({ outcome, exit }) => [outcome, exit])).toEqual(
      runs.map(() => ['started', { status: 0 }]),
    );
    return runs.map(({ stdout }) => stdout.trim());
  } finally {
    await rig.close();
  }
}

const chosen = `static int one(void) { return 1; }
static void *resolve(void) { begin(); return one; }
int chosen(void) __attribute__((ifunc("resolve")));
int (*volatile use)(void) = chosen;
`;
const AUDITS = `#define _GNU_SOURCE
#include <link.h>
${BORN}
unsigned la_version(unsigned version) { begin(); return LAV_CURRENT; }
unsigned la_objopen(struct link_map *map, Lmid_t id, uintptr_t *cookie) { return LA_FLG_BINDTO | LA_FLG_BINDFROM; }
static unsigned long long tell(void) { return born; }
uintptr_t la_symbind64(Elf64_Sym *symbol, unsigned n, uintptr_t *by, uintptr_t *of, unsigned *flags, const char *name) {
  return strcmp(name, "told") == 0 ? (uintptr_t)tell : symbol->st_value;
}
`;

type Case = readonly [
  name: string,
  make: () => readonly [program: string, environment?: Record<string, string>],
];

/** Each keeps what it saw when its first code ran. */
const CASES: readonly Case[] = [
  [
    'an allocator of its own, which a constructor of the C++ library calls',
    () => [
      compile(
        'allocator++',
        `#include <iostream>\n${ALLOCATOR.replaceAll('EXTERN', 'extern "C"')}${TELLS.replace('extern', '//')}`,
      ),
    ],
  ],
  [
    'an allocator of its own, static',
    () => [compile('static', ALLOCATOR.replaceAll('EXTERN', '') + TELLS, '-static')],
  ],
  [
    'an allocator that is preloaded',
    () => {
      library('preloaded', ALLOCATOR.replaceAll('EXTERN', ''));
      const program = compile(
        'preloads++',
        `#include <iostream>\n#include <dlfcn.h>\nint main() { std::cout << *(unsigned long long *)dlsym(RTLD_DEFAULT, "born") << "\\n"; }`,
      );
      return [program, { LD_PRELOAD: join(folder, 'libpreloaded.so') }];
    },
  ],
  [
    'an allocator of a library that it is linked with',
    () => [
      compile(
        'linked++',
        '#include <iostream>\nextern "C" unsigned long long born;\nint main() { std::cout << born << "\\n"; }',
        ...library('allocates', ALLOCATOR.replaceAll('EXTERN', '')),
      ),
    ],
  ],
  [
    'a function that every library calls at its start',
    () => [
      compile(
        'profiled',
        `${BORN}${TELLS}void __gmon_start__(void) { begin(); }`,
        '-rdynamic',
        ...library('plain', 'void plain(void) {}'),
      ),
    ],
  ],
  [
    'a function that every library calls for transactional memory',
    () => [
      compile(
        'transactional',
        `${BORN}${TELLS}void _ITM_registerTMCloneTable(void) { begin(); }\nvoid __gmon_start__(void) { begin(); }`,
        '-rdynamic',
        ...library('plain', 'void plain(void) {}'),
      ),
    ],
  ],
  ['a function that it chooses', () => [compile('chooses', BORN + chosen + TELLS)]],
  [
    'a function that it chooses, bound at start',
    () => [compile('chooses-now', BORN + chosen + TELLS, '-Wl,-z,now')],
  ],
  ['a function that it chooses, static', () => [compile('chooses-static', BORN + chosen + TELLS, '-static')]],
  [
    'a function that a library chooses',
    () => [
      compile(
        'uses',
        TOLD,
        ...library(
          'chooses',
          `${BORN.replace('unsigned long long born', 'static unsigned long long born')}${chosen}unsigned long long told(void) { return born; }`,
        ),
      ),
    ],
  ],
  [
    'a constructor of a library',
    () => [
      compile(
        'constructed',
        TELLS,
        ...library('constructs', `${BORN}__attribute__((constructor)) static void first(void) { begin(); }`),
      ),
    ],
  ],
  [
    'the function DT_INIT of a library',
    () => [
      compile(
        'initialised',
        TELLS,
        ...library('initialises', `${BORN}void first(void) { begin(); }`, '-Wl,-init,first'),
      ),
    ],
  ],
  [
    'a library that audits the loader, as the program asks for',
    () => {
      library('audits', AUDITS);
      return [
        compile(
          'audited',
          TOLD,
          ...library('told', 'unsigned long long told(void) { return 0; }'),
          `-Wl,--audit=${folder}/libaudits.so`,
        ),
      ];
    },
  ],
  [
    'a library that audits the loader, by that of another library',
    () => {
      library('audits', AUDITS);
      return [
        compile(
          'audited-deep',
          TOLD,
          ...library('told', 'unsigned long long told(void) { return 0; }'),
          `-Wl,--depaudit=${folder}/libaudits.so`,
        ),
      ];
    },
  ],
];

describe.runIf(process.arch === 'x64')(
  'C-RUN-14: the author’s code runs in each clone, not once for all',
  () => {
    it.each(CASES)('%s', async (_name, make) => {
      const [program, environment] = make();
      const said = await saidByClones(program, environment);
      for (const one of said) expect(Number(one)).toBeGreaterThan(0);
      expect(new Set(said).size).toBe(CLONES);
    });
  },
);
