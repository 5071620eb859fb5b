import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { BenchRun, fixture, runBench } from './support.js';

const TINY = ['--quick', '--scenarios', 'hello-c', '--connections', '2', '--rounds', '2', '--seconds', '0.2'];

describe('hyperskeleton bench', { timeout: 120_000 }, () => {
  it('measures a real server and says what is not here', async () => {
    const targets = 'hyperskeleton-auto,dockerskeleton,spawn-loop';
    const { status, report, stdout, stderr, leftovers } = await runBench([...TINY, '--targets', targets], {
      HYPERSKELETON_BENCH_DOCKERSKELETON: '/nowhere/actionproxy.py',
    });
    expect(stderr).toContain(
      'absent: dockerskeleton: not installed: HYPERSKELETON_BENCH_DOCKERSKELETON=/nowhere',
    );
    expect(status).toBe(0);
    expect(stdout).toContain('hyperskeleton-auto');
    expect(leftovers).toEqual([]);
    expect(report).toMatchObject({ interrupted: false, profile: 'quick', baselineId: 'hyperskeleton-auto' });
    expect(report?.targets.find(({ id }) => id === 'dockerskeleton')).toMatchObject({ present: false });
    const statuses = report?.cells.map(({ targetId, status: of }) => [targetId, of]);
    expect(statuses).toEqual([
      ['hyperskeleton-auto', 'ok'],
      ['spawn-loop', 'ok'],
      ['dockerskeleton', 'absent'],
    ]);
    const cell = report?.cells[0];
    expect(cell?.rounds).toHaveLength(2);
    expect(cell?.summary?.ratePerSecond.median).toBeGreaterThan(0);
    expect(cell?.summary?.cpuSecondsPerActivation?.median).toBeGreaterThan(0);
    expect(cell?.summary?.peakMemoryBytes?.median).toBeGreaterThan(1_000_000);
    expect(cell?.rounds[0]?.latency?.curve.at(-1)?.[0]).toBe(1);
    expect(report?.generator?.ceilings[0]).toMatchObject({ connections: 2 });
    expect(report?.omissionProof?.fromDue.p99Us).toBeGreaterThan(report?.omissionProof?.naive.p99Us ?? 0);
    // Two rounds are too few for a verdict.
    expect(report?.comparisons.find(({ metric }) => metric === 'ratePerSecond')).toMatchObject({
      targetId: 'spawn-loop',
      baselineId: 'hyperskeleton-auto',
      better: 'undecided',
    });
  });

  it('fails a target with wrong answers, and one that does not start, and averages neither', async () => {
    const wrong = `${process.execPath} ${fixture('wrong-answers.mjs')} {port}`;
    const broken = '/bin/sh -c "echo the licence has expired >&2; exit 3" {port}';
    const { status, report, leftovers } = await runBench([
      ...TINY,
      ...['--targets', 'none', '--command', wrong, '--command', broken],
    ]);
    expect(status).toBe(1);
    expect(leftovers).toEqual([]);
    const [first, second] = report?.cells ?? [];
    expect(first).toMatchObject({ targetId: 'command-1', status: 'failed' });
    expect(first?.reason).toContain('wrong answers');
    expect(first?.reason).toContain('nobody');
    expect(first?.summary).toBeUndefined();
    expect(second).toMatchObject({ targetId: 'command-2', status: 'failed', rounds: [] });
    expect(second?.reason).toContain('the licence has expired');
    expect(report?.comparisons).toEqual([]);
  });

  it('measures what runs already, and knows nothing of its processes', async () => {
    const server = createServer((request, response) => {
      request.resume();
      request.once('end', () => response.end('{"hello":"world"}'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const url = `http://127.0.0.1:${port}`;
    const { status, report } = await runBench([...TINY, '--targets', 'none', '--url', url]);
    server.close();
    expect(status).toBe(0);
    expect(report?.targets).toMatchObject([{ id: 'url', url, present: true }]);
    expect(report?.cells[0]).toMatchObject({ status: 'ok' });
    expect(report?.cells[0]?.summary?.cpuSecondsPerActivation).toBeUndefined();
  });

  it('stops at an interruption, ends its targets, and still writes', async () => {
    const long = [
      '--targets',
      'hyperskeleton-auto',
      '--scenarios',
      'hello-c,cold-start',
      '--connections',
      '2',
    ];
    const run = new BenchRun(['--quick', ...long, '--rounds', '9', '--seconds', '1']);
    await run.said('round 2/9');
    run.process.kill('SIGINT');
    const { status, report, leftovers } = await run.end();
    expect(status).toBe(130);
    expect(leftovers).toEqual([]);
    expect(report?.interrupted).toBe(true);
    const [loaded, cold] = report?.cells ?? [];
    expect(loaded).toMatchObject({ scenarioId: 'hello-c', status: 'interrupted' });
    expect(loaded?.rounds.length).toBeGreaterThanOrEqual(2);
    expect(loaded?.rounds.length).toBeLessThan(9);
    expect(cold).toMatchObject({ scenarioId: 'cold-start', status: 'interrupted', rounds: [] });
  });

  it('says what is wrong with a command line', async () => {
    const cases: [string[], string][] = [
      [['--targets', 'nobody'], 'there is no nobody'],
      [['--rounds', 'many'], '--rounds: many is not a positive number'],
      [['--quick', '--full'], 'exclude each other'],
      [['--url', 'ftp://x'], 'no http:// address'],
      [['--baseline', 'dockerskeleton', '--targets', 'of-watchdog'], 'not among the targets'],
      [['dance'], 'there is no dance'],
    ];
    for (const [args, message] of cases) {
      const { status, stderr } = await runBench(args);
      expect(stderr).toContain(message);
      expect(status).toBe(2);
    }
    const { status, stdout } = await runBench(['--help']);
    expect(status).toBe(0);
    expect(stdout).toContain('--p99-limit');
  });

  it('names the command that installs what is missing', async () => {
    const project = new URL('../../', import.meta.url);
    const home = mkdtempSync(join(tmpdir(), 'bench-home-'));
    for (const part of ['bin', 'dist', 'package.json']) {
      cpSync(new URL(part, project), join(home, part), { recursive: true });
    }
    const run = new BenchRun(['--quick'], {}, pathToFileURL(join(home, 'bin/hyperskeleton')));
    const { status, stderr } = await run.end();
    rmSync(home, { recursive: true });
    expect(status).toBe(2);
    expect(stderr).toContain(`npm install --no-save --prefix '${home}/' autocannon@9`);
  });
});
