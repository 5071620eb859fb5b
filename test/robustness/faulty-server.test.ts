import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { Report } from '../../robustness/summary.js';

const SERVER = fileURLToPath(new URL('../fixtures/robustness/faulty-server.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-robustness-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a tool on a server with one fault; answers its exit status and its report. */
async function attack(
  tool: 'soak' | 'fuzz',
  fault: string,
  ...more: readonly string[]
): Promise<{ status: number; report: Report }> {
  const main = fileURLToPath(new URL(`../../dist/robustness/${tool}/main.js`, import.meta.url));
  const out = join(folder, `${tool}-${fault}.json`);
  const start = `'${process.execPath}' '${SERVER}' {port} ${fault}`;
  const options = [
    '--start',
    start,
    '--seed',
    '1',
    '--protocol',
    'classic',
    '--out',
    out,
    '--findings',
    folder,
  ];
  const status = await new Promise<number>((resolve) => {
    execFile(process.execPath, [main, ...options, ...more], (error) => resolve(Number(error?.code ?? 0)));
  });
  return { status, report: JSON.parse(readFileSync(out, 'utf8')) as Report };
}

const kindsOf = ({ findings }: Report): string[] => [...new Set(findings.map(({ kind }) => kind))];
const SHORT = ['--minutes', '0.02', '--only', 'quick'] as const;

describe('the soak', () => {
  it('finds nothing in a server without a fault', async () => {
    const { status, report } = await attack('soak', 'none', ...SHORT);
    expect(report.findings).toEqual([]);
    expect(report.requests['run 200']).toBeGreaterThan(0);
    expect(status).toBe(0);
  });

  it.each([
    ['swapped', 'swapped'],
    ['run-twice', 'run-twice'],
    ['log-line', 'log-line'],
    ['dropped', 'dropped'],
    ['died', 'server-died'],
    ['slow-shutdown', 'slow-shutdown'],
  ])('finds what the server does wrong: %s', async (fault, kind) => {
    const { status, report } = await attack('soak', fault, ...SHORT);
    expect(kindsOf(report)).toContain(kind);
    expect(status).toBe(1);
  });

  it('finds a leak by its slope, and lists it without failing if it is excepted', async () => {
    const { status, report } = await attack(
      'soak',
      'leak',
      '--minutes',
      '0.6',
      '--only',
      'quick',
      '--except',
      'leak',
    );
    expect(report.excepted.map(({ detail }) => detail).join()).toMatch(/descriptors grew by/);
    expect(report.findings).toEqual([]);
    expect(status).toBe(0);
  });
});

describe('the fuzzer', () => {
  it('finds that a request is run which never came whole, and writes it down to be replayed', async () => {
    const { status, report } = await attack(
      'fuzz',
      'run-though-incomplete',
      '--minutes',
      '0.05',
      '--only',
      'http',
    );
    expect(kindsOf(report)).toContain('run-though-incomplete');
    expect(status).toBe(1);
    const file = readdirSync(join(folder, 'run-though-incomplete')).find((name) => name.includes('run-though-incomplete')) ?? '';
    const again = await attack('fuzz', 'run-though-incomplete', '--replay', join(folder, 'run-though-incomplete', file));
    expect(kindsOf(again.report)).toContain('run-though-incomplete');
    const fixed = await attack('fuzz', 'none', '--replay', join(folder, 'run-though-incomplete', file));
    expect(kindsOf(fixed.report)).not.toContain('run-though-incomplete');
  });
});
