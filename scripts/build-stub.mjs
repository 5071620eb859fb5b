// Compiles stub/ for each processor and writes the machine code into src/engines/native-code/stub-code.ts.
// Needs Debian's gcc and gcc-aarch64-linux-gnu (on x86-64; elsewhere a gcc of the other's name).
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../stub/', import.meta.url));
const TARGET = fileURLToPath(new URL('../src/engines/native-code/stub-code.ts', import.meta.url));

const PREFIXES = {
  x64: process.arch === 'x64' ? '' : 'x86_64-linux-gnu-',
  arm64: process.arch === 'arm64' ? '' : 'aarch64-linux-gnu-',
};
const FLAGS = [
  ...['-Os', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-fno-builtin', '-fno-stack-protector'],
  // No call is made behind the compiler's back, no register saved that the action owns.
  ...[
    '-fno-asynchronous-unwind-tables',
    '-fno-jump-tables',
    '-fno-tree-loop-distribute-patterns',
    '-mgeneral-regs-only',
  ],
];
const FLAGS_OF = {
  x64: ['-fcf-protection=none'],
  arm64: ['-mno-outline-atomics', '-mbranch-protection=none'],
};

/** What the compiler calls itself; undefined where there is none. */
export function compilerOf(arch) {
  try {
    return execFileSync(`${PREFIXES[arch]}gcc`, ['--version'], { encoding: 'utf8' }).split('\n')[0];
  } catch {
    return undefined;
  }
}

/** Compiles both programs: the loop as bare machine code, the helper as an ELF file. */
export function build(arch) {
  const work = mkdtempSync(join(tmpdir(), 'hyperskeleton-stub-'));
  const run = (tool, ...args) =>
    execFileSync(`${PREFIXES[arch]}${tool}`, args, { cwd: FOLDER, stdio: ['ignore', 'pipe', 'inherit'] });
  const compile = (name, pie) => {
    run('gcc', ...FLAGS, ...FLAGS_OF[arch], pie, '-c', `${name}.c`, '-o', join(work, `${name}.o`));
    run('ld', '--build-id=none', '-T', `${name}.ld`, '-o', join(work, name), join(work, `${name}.o`));
  };
  try {
    compile('stub', '-fPIE');
    run('objcopy', '-O', 'binary', '-j', '.text', join(work, 'stub'), join(work, 'stub.bin'));
    compile('helper', '-fno-pie');
    run('strip', '-s', join(work, 'helper'));
    const read = (name) => readFileSync(join(work, name)).toString('base64');
    return { stub: read('stub.bin'), helper: read('helper') };
  } finally {
    rmSync(work, { recursive: true });
  }
}

function constantOf(text) {
  const parts = text.match(/.{1,100}/g) ?? [];
  return parts
    .map((part) => `      '${part}'`)
    .join(' +\n')
    .trimStart();
}

function main() {
  const rows = Object.keys(PREFIXES).map((arch) => {
    const { stub, helper } = build(arch);
    return `  ${arch}: {\n    compiler: '${compilerOf(arch)}',\n    stub:\n      ${constantOf(stub)},\n    helper:\n      ${constantOf(helper)},\n  },`;
  });
  writeFileSync(
    TARGET,
    `/** What \`npm run build:stub\` makes of stub/ for each processor. */
export interface StubCode {
  /** What the compiler calls itself: another may make other bytes of the same source. */
  readonly compiler: string;
  /** The loop of a template as machine code, base64. */
  readonly stub: string;
  /** The launcher and self-test program as an ELF file, base64. */
  readonly helper: string;
}

export const STUB_CODE: Readonly<Record<'x64' | 'arm64', StubCode>> = {
${rows.join('\n')}
};
`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
