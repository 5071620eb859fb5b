import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Arch, hostArch } from '../../../src/engines/forkserver/arch/arch.js';
import { type BuiltTemplate, buildTemplate } from '../../../src/engines/forkserver/build/build-template.js';
import { Launcher } from '../../../src/engines/forkserver/build/launch.js';
import { killAndReap } from '../../../src/engines/forkserver/build/tracee.js';
import { openSocketPair } from '../../../src/engines/forkserver/ipc/channel.js';
import { close } from '../../../src/os/libc.js';
import { createResourceMemory, ResourceTable } from '../../../src/shared-memory/resource-table.js';

const SHAPE = { names: ['ONE', 'TWO'], argumentCapacityBytes: 4096, variablesCapacityBytes: 1024 };
const MAIN = 'int main(void) { return 0; }';

let folder: string;
let launcher: Launcher;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-freeze-'));
  launcher = new Launcher(hostArch() as Arch, new ResourceTable(createResourceMemory(1), 1), undefined);
});
afterAll(() => {
  launcher.close();
  rmSync(folder, { recursive: true });
});

function compile(name: string, source: string, ...flags: string[]): string {
  writeFileSync(join(folder, `${name}.c`), source);
  const program = join(folder, name);
  execFileSync('gcc', ['-w', '-O1', '-o', program, join(folder, `${name}.c`), ...flags]);
  return program;
}

function templateOf(exec: string, environment: readonly string[] = []): BuiltTemplate {
  const pair = openSocketPair();
  if (pair === undefined) throw new Error('no sockets');
  const entries = [`PATH=${process.env.PATH}`, ...environment].map((entry) => Buffer.from(entry));
  try {
    const action = { exec, folder, environment: entries };
    const built = buildTemplate(launcher, hostArch() as Arch, { action, layout: SHAPE, socket: pair[1] });
    killAndReap(built.pid);
    return built;
  } finally {
    for (const fd of pair) close(fd);
  }
}

function script(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

describe('a program is stopped before its own code', () => {
  it.each([
    ['static', ['-static']],
    ['dynamic', []],
    ['static-pie', ['-static-pie', '-fPIE']],
    ['dynamic without PIE', ['-no-pie']],
    ['with a constructor of its own', ['-DCONSTRUCTOR']],
    ['dynamic with 256 MiB that nothing was written to', ['-DBSS=(256<<20)']],
    ['static with 256 MiB that nothing was written to', ['-static', '-DBSS=(256<<20)']],
  ])('%s: once C library and loader are ready', (name, flags) => {
    const source = `#ifdef BSS\nchar unused[BSS];\n#endif\n#ifdef CONSTRUCTOR\n__attribute__((constructor)) void begin(void) { write(2, "x", 1); }\n#endif\n${MAIN}`;
    expect(templateOf(compile(name.replaceAll(' ', '-'), source, ...flags))).toMatchObject({
      freezePoint: 'entry',
      freezePointReason: '',
    });
  });

  it.each([
    ['static', ['-static']],
    ['dynamic', []],
  ])('%s: also where its memory holds the number of its process elsewhere, by chance', (kind, flags) => {
    // Every number that the next processes may have.
    const numbers = `__asm__(".data\\n.set number, ${process.pid}\\n.rept 1000000\\n.long number\\n.set number, number + 1\\n.endr\\n.text");`;
    expect(templateOf(compile(`numbers-${kind}`, `${numbers}\n${MAIN}`, ...flags))).toMatchObject({
      freezePoint: 'entry',
      freezePointReason: '',
    });
  });

  it('a script: its interpreter', () => {
    expect(templateOf(script('script', '#!/bin/sh\necho "{}"\n')).freezePoint).toBe('entry');
  });
});

describe('a program that is not ready safely is stopped at its very begin', () => {
  /** A static program whose allocator, which the C library calls before the section `.init`, does something first. */
  function withAllocator(name: string, body: string, ...flags: string[]): string {
    const source = `#define _GNU_SOURCE
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
${body.startsWith('MARKED') ? '__attribute__((used)) static const char mark[] = "free(): invalid pointer";' : ''}
static char pool[1 << 20]; static size_t used; static int begun; int kept;
static void first(void) { ${body.replace(/^MARKED/, '')} }
void *malloc(size_t n) { if (begun++ == 0) first(); used += (n + 31) & ~15ul; return pool + used - ((n + 31) & ~15ul); }
void free(void *p) {}
void *calloc(size_t a, size_t b) { return memset(malloc(a * b), 0, a * b); }
void *realloc(void *p, size_t n) { return p ? memcpy(malloc(n), p, n) : malloc(n); }
int main(void) { return 0; }`;
    return compile(name, source, '-static', ...flags);
  }

  it.each([
    ['asks the time', 'syscall(228, 1, pool);', /system call \d+ before/],
    ['asks the time without a system call', 'clock_gettime(0, pool);', /system call 228|signal 11 before/],
    ['asks its number', 'getpid();', /system call \d+ before/],
    ['writes', 'write(2, "x", 1);', /system call \d+ before/],
    ['opens to write', 'open("/dev/null", 1);', /openat with other arguments/],
    ['reads its input', 'char x; read(0, &x, 1);', /read with other arguments/],
    ['asks for a device', 'open("/dev/null", 0);', /it asks for \/dev\/null/],
    ['looks into the system', 'open("/proc/self/stat", 0);', /it asks for \/proc\/self\/stat/],
    ['keeps a descriptor', 'open("/etc/passwd", 0);', /descriptors 0 1 2 3 4/],
    ['starts a process', 'fork();', /system call/],
    ['dies', 'static volatile int *volatile nothing; *nothing = 1;', /signal 11 before/],
    ['keeps memory from children', 'madvise(mmap(0, 4096, 3, 34, -1, 0), 4096, 10);', /madvise with other/],
    ['empties memory in children', 'madvise(mmap(0, 4096, 3, 34, -1, 0), 4096, 18);', /madvise with other/],
    [
      'keeps its thread id',
      '__asm__("movl %%fs:0x2d0, %0" : "=r"(kept));',
      /its thread id is at \w+, \w+, not at/,
    ],
    [
      'keeps its thread id far behind memory that it does not use',
      'static volatile char far_away[32 << 20]; int number; __asm__("movl %%fs:0x2d0, %0" : "=r"(number)); *(volatile int *)(far_away + sizeof far_away - 64) = number;',
      /its thread id is at \w+, \w+, not at/,
    ],
    [
      'writes to much memory',
      'static char written[65 << 20]; memset(written, 1, sizeof written);',
      /it has written to more than 64 MiB/,
    ],
  ])('for something before its section .init %s', (name, body, reason) => {
    const built = templateOf(withAllocator(name.replaceAll(' ', '-'), `MARKED${body}`));
    expect(built.freezePoint).toBe('exec');
    expect(built.freezePointReason).toMatch(reason);
  });

  it('for something before its section .init reads the counter of the processor, if the machine lets it be forbidden', () => {
    const forbids = compile(
      'forbids-counter',
      '#include <sys/prctl.h>\nint main(void) { return prctl(PR_SET_TSC, PR_TSC_SIGSEGV) == 0 ? (int)__builtin_ia32_rdtsc() & 0 : 0; }',
    );
    const { signal } = spawnSync(forbids);
    const built = templateOf(withAllocator('reads-counter', 'MARKEDkept = __builtin_ia32_rdtsc();'));
    if (signal === 'SIGSEGV')
      expect(built).toMatchObject({
        freezePoint: 'exec',
        freezePointReason: expect.stringMatching(/signal 11 before/),
      });
    else expect(built.freezePoint).toBe('entry');
  });

  it.each([['-g'], ['-s']])('for it is static and has an allocator of its own (gcc %s)', (flag) => {
    expect(templateOf(withAllocator(`allocates${flag}`, '', flag)).freezePointReason).toMatch(
      /allocator of its own/,
    );
  });

  it('for it is static and chooses a function by code of its own', () => {
    const source = `static int one(void) { return 1; } static void *resolve(void) { return one; }
int chosen(void) __attribute__((ifunc("resolve"))); int main(void) { return chosen(); }`;
    expect(templateOf(compile('chooses', source, '-static')).freezePointReason).toMatch(
      /it chooses chosen by code/,
    );
  });

  it('for it is static and begins with code of its own', () => {
    const source = `__attribute__((section(".init"), used)) static void init(void) {}
void begin(void) { init(); for (;;) __asm__("syscall" : : "a"(231), "D"(0)); } __asm__(".globl _start\\n_start: call begin");`;
    const program = compile(
      'begins',
      source,
      '-static',
      '-nostdlib',
      '-ffreestanding',
      '-fno-stack-protector',
    );
    expect(templateOf(program).freezePointReason).toMatch(/begins with code of its own/);
  });

  it('for it is static and has no section headers', () => {
    const program = compile('stripped', MAIN, '-static');
    execFileSync('python3', [
      '-c',
      'import sys\np=sys.argv[1]\nb=bytearray(open(p,"rb").read())\nb[40:48]=bytes(8)\nb[60:64]=bytes(4)\nopen(p,"wb").write(b)',
      program,
    ]);
    expect(templateOf(program)).toMatchObject({
      freezePoint: 'exec',
      freezePointReason: expect.stringContaining('.init'),
    });
  });

  it('for it has code that runs before its libraries', () => {
    const source = `static void early(void) {}\n__attribute__((section(".preinit_array"), used)) static void (*first)(void) = early;\n${MAIN}`;
    for (const [name, flag] of [
      ['early', '-rdynamic'],
      ['early-static', '-static'],
    ] as const)
      expect(templateOf(compile(name, source, flag)).freezePointReason).toMatch(/code that runs before/);
  });

  it('for LD_AUDIT is set', () => {
    const program = compile('audited', MAIN);
    expect(templateOf(program, ['LD_AUDIT=/nowhere.so']).freezePointReason).toMatch(/LD_AUDIT/);
  });
});

describe('a program has no template', () => {
  it.each([0o4755, 0o2755])('with mode %o', (mode) => {
    const program = compile(`set-id-${mode}`, MAIN);
    chmodSync(program, mode);
    expect(() => templateOf(program)).toThrow(/set-user-ID or set-group-ID/);
  });

  it.runIf(process.getuid?.() === 0)('with file capabilities', () => {
    const program = compile('capable', MAIN);
    const capability = '0x0100000200040000000000000000000000000000';
    execFileSync('python3', [
      '-c',
      `import os,sys\nos.setxattr(sys.argv[1], "security.capability", bytes.fromhex("${capability.slice(2)}"))`,
      program,
    ]);
    expect(() => templateOf(program)).toThrow(/file capabilities/);
  });

  it('whose interpreter is set-user-ID', () => {
    const shell = join(folder, 'shell');
    copyFileSync('/bin/sh', shell);
    chmodSync(shell, 0o4755);
    expect(() => templateOf(script('of-shell', `#!${shell}\n`))).toThrow(/set-user-ID/);
  });

  it('that the system would not start', () => {
    expect(() => templateOf(script('formless', 'nothing\n'))).toThrow('execve: ENOEXEC');
    expect(() => templateOf(script('lost', '#!/nowhere/sh\n'))).toThrow(/\/nowhere\/sh can't be/);
    expect(() => templateOf(join(folder, 'missing'))).toThrow(/can't be read/);
    expect(() => templateOf(folder)).toThrow(/can't be read/);
  });
});
