import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
// @ts-expect-error a plain script
import { build, compilerOf } from '../../../scripts/build-stub.mjs';
import { WORDS } from '../../../src/engines/forkserver/build/stub-configuration.js';
import { STUB_CODE } from '../../../src/engines/native-code/stub-code.js';

const SOURCES = fileURLToPath(new URL('../../../stub/', import.meta.url));

describe.each(['x64', 'arm64'] as const)('machine code for %s', (arch) => {
  const { compiler, ...code } = STUB_CODE[arch];
  const here = (compilerOf as (arch: string) => string | undefined)(arch);

  it.runIf(here === compiler)('is what the sources give; `npm run build:stub` makes it anew', () => {
    expect((build as (arch: string) => unknown)(arch)).toEqual(code);
  });

  it('fits its page', () => {
    expect(Buffer.from(code.stub, 'base64').length).toBeLessThanOrEqual(4096);
  });
});

it('the configuration lies as the sources have it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-layout-'));
  try {
    const fields: Readonly<Record<keyof typeof WORDS, string>> = {
      registers: 'registers',
      stackPointer: 'stack_pointer',
      programCounter: 'program_counter',
      threadId: 'thread_id',
      robustList: 'robust_list',
      robustListBytes: 'robust_list_bytes',
      random: 'random',
      canary: 'canary',
      argument: 'argument',
      argumentRoom: 'argument_room',
      variablesEnd: 'variables_end',
      variablesRoom: 'variables_room',
      cells: 'cells',
      cellCount: 'cell_count',
      map: 'map',
      name: 'name',
      templateName: 'template_name',
      attributes: 'attributes',
      socket: 'socket',
      lastStream: 'last_stream',
      closedOnExec: 'closed_on_exec',
      hasSignalMask: 'has_signal_mask',
      signalMask: 'signal_mask',
      reopenedCount: 'reopened_count',
      reopened: 'reopened',
      request: 'request',
    };
    const checks = Object.entries(fields).map(
      ([word, field]) =>
        `_Static_assert(__builtin_offsetof(struct configuration, ${field}) == 8 * ${WORDS[word as keyof typeof WORDS]}, "${field}");`,
    );
    writeFileSync(join(folder, 'layout.c'), `#include "${SOURCES}stub.c"\n${checks.join('\n')}\n`);
    execFileSync('gcc', ['-w', '-ffreestanding', '-c', '-o', '/dev/null', join(folder, 'layout.c')]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
