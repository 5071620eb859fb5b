import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STUB_CODE } from '../../../src/engines/native-code/stub-code.js';

const HARNESS = fileURLToPath(new URL('../../fixtures/stub/harness.c', import.meta.url));
const FLAGS = [
  ...['-Os', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-fno-builtin', '-fno-stack-protector'],
  ...['-fno-tree-loop-distribute-patterns', '-nostdlib', '-static', '-no-pie', '-fno-pie'],
];
const TIMEOUT_MS = 20_000;
/** How many facts the harness looks at, at the least. */
const FACTS = 100;

type ArchName = keyof typeof STUB_CODE;

/** How programs of a processor are compiled here and run. */
interface Toolchain {
  readonly compiler: string;
  readonly flags: readonly string[];
  /** The emulator; undefined where this machine runs them itself. */
  readonly emulator?: string;
}

/** undefined where a program for it is missing. */
function toolchainOf(arch: ArchName): Toolchain | undefined {
  const own = process.arch === arch;
  const [prefix, emulator] = own
    ? ['', undefined]
    : arch === 'arm64'
      ? ['aarch64-linux-gnu-', 'qemu-aarch64']
      : ['x86_64-linux-gnu-', 'none'];
  const flags =
    arch === 'x64' ? ['-fcf-protection=none'] : ['-mno-outline-atomics', '-mbranch-protection=none'];
  if (!isHere(`${prefix}gcc`) || (emulator !== undefined && !isHere(emulator))) return undefined;
  const plays = emulator === undefined ? [] : ['-DPLAY_KERNEL'];
  return {
    compiler: `${prefix}gcc`,
    flags: [...flags, ...plays],
    ...(emulator !== undefined && { emulator }),
  };
}

function isHere(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

interface Ended {
  readonly status: number | undefined;
  readonly signal: string | undefined;
  readonly stdout: string;
}

describe.each(['x64', 'arm64'] as const)('the machine code for %s by itself', (arch) => {
  const tools = toolchainOf(arch);
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-loop-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function run(program: string, args: readonly string[] = []): Promise<Ended> {
    const [command, ...before] = [...(tools?.emulator === undefined ? [] : [tools.emulator]), program];
    const options = { env: { PATH: process.env.PATH, ONE: '1', TWO: '' }, timeout: TIMEOUT_MS };
    return new Promise((resolve) => {
      const child = execFile(command as string, [...before, ...args], options, (_error, stdout) => {
        resolve({ status: child.exitCode ?? undefined, signal: child.signalCode ?? undefined, stdout });
      });
    });
  }

  // Needs Debian's gcc; for arm64 on x86-64 its gcc-aarch64-linux-gnu and qemu-user (scripts/test-prerequisites.sh).
  it.skipIf(tools === undefined)(
    'clones for each request, and the clone finds what a new process finds',
    async () => {
      const { compiler, flags } = tools as Toolchain;
      const [code, program] = [join(folder, 'code'), join(folder, 'harness')];
      writeFileSync(code, Buffer.from(STUB_CODE[arch].stub, 'base64'));
      execFileSync(compiler, [...FLAGS, ...flags, `-DCODE="${code}"`, '-o', program, HARNESS]);
      const { status, stdout } = await run(program);
      const lines = stdout.split('\n');
      expect(lines.filter((line) => line.startsWith('bad '))).toEqual([]);
      expect(lines.filter((line) => line.startsWith('ok ')).length).toBeGreaterThan(FACTS);
      expect(lines.filter((line) => /^(argument|variables) /.test(line) && line.length < 80)).toEqual([
        'argument {}',
        'variables A=1 B=',
        'argument {"short":1}',
        'variables A= B=2',
        'argument {"waited":1}',
        'variables A=a B=b',
        'argument {}',
        'variables A=1 B=',
      ]);
      expect(status).toBe(0);
    },
  );

  it.skipIf(tools === undefined)('the program of the self-test tells what it was given', async () => {
    const helper = join(folder, 'helper');
    writeFileSync(helper, Buffer.from(STUB_CODE[arch].helper, 'base64'), { mode: 0o755 });
    const { status, stdout } = await run(helper, ['first', 'second']);
    expect(status).toBe(42);
    const number = (name: string): number =>
      Number.parseInt(new RegExp(`^${name} (\\w{16})$`, 'm').exec(stdout)?.[1] ?? '', 16);
    expect(number('pid')).toBeGreaterThan(0);
    expect(number('thread')).toBe(number('pid'));
    expect(number('parent')).toBe(process.pid);
    expect(number('descriptors') & 7).toBe(7);
    expect(stdout).toContain(`${helper}\0first\0second\0`);
    expect(stdout).toContain('ONE=1\0TWO=\0');
    expect((await run(helper, ['s'])).signal).toBe('SIGTERM');
  });
});
