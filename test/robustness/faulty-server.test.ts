import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
      '0.02',
      '--rounds',
      '10',
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
  it('sends a finding again, and finds that a request is run which never came whole', async () => {
    const token = 'taaaaaaaax0000000000xbbbbbb';
    const chunk = `{"value":{"token":"${token}"}}`;
    const head = 'POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n';
    const send = Buffer.from(`${head}${chunk.length.toString(16)}\r\n${chunk}\r\n`).toString('base64');
    const stored = {
      name: 'cut-before-last-chunk',
      steps: [{ send }, { pauseMs: 50 }, { end: 'close' }],
      tokens: [{ token, mayRun: 'run-though-incomplete' }],
      isWhole: false,
      maxRequests: 1,
    };
    const cell = { protocol: 'classic', engine: 'forkserver' };
    const file = join(folder, 'replay.json');
    writeFileSync(file, JSON.stringify({ replay: { part: 'http', cell, case: stored } }));
    const found = await attack('fuzz', 'run-though-incomplete', '--replay', file);
    expect([found.status, kindsOf(found.report)]).toEqual([1, ['run-though-incomplete']]);
    expect(found.report.findings[0]?.file).toBeDefined();
    const right = await attack('fuzz', 'none', '--replay', file);
    expect([right.status, kindsOf(right.report)]).toEqual([0, []]);
  });
});
