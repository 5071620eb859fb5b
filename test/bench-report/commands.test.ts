import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CommandIo } from '../../bench/commands/command.js';
import { run as compare } from '../../bench/commands/compare.js';
import { run as picture } from '../../bench/commands/picture.js';
import { run as publish } from '../../bench/commands/publish.js';
import { run as render } from '../../bench/commands/render.js';
import { run as trend } from '../../bench/commands/trend.js';
import { readReport } from '../../bench/report/read.js';
import type { BenchReport } from '../../bench/report/schema.js';
import { sampleReport } from './sample-report.js';

const folder = mkdtempSync(join(tmpdir(), 'bench-commands-'));
const path = (name: string): string => join(folder, name);
const OLD = path('old.json');

type Run = (argv: readonly string[], io: CommandIo) => Promise<number>;

async function call(run: Run, ...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await run(argv, {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
  });
  return { code, out, err };
}

function stored(name: string, report: unknown): string {
  writeFileSync(path(name), JSON.stringify(report));
  return path(name);
}

beforeAll(() => {
  stored('old.json', sampleReport());
  stored('without.json', { ...sampleReport(), cells: [] });
  stored('empty.json', {});
  writeFileSync(path('no.json'), 'no');
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('compare', () => {
  it('exits with 0 where only noise differs', async () => {
    const { code, out } = await call(compare, OLD, OLD);
    expect(code).toBe(0);
    expect(out).toContain('No significant regression beyond 5.0 %.');
    expect(out).toContain('Both ran on a machine with the same facts.');
  });

  it('exits with 1 on a regression beyond the threshold, and names it', async () => {
    const slower = stored('slower.json', sampleReport({ seed: 8, speedOf: { hyperskeleton: 0.8 } }));
    const { code, out } = await call(compare, OLD, slower);
    expect(code).toBe(1);
    const [, regressions] = out.split('Regressions\n');
    expect(regressions).toMatch(
      /\| Hyperskeleton, posix_spawn +\| hello, static C +\| 32 connections +\| activations\/s .*−\d\d % \(−\d\d to −\d\d\)/,
    );
    expect((await call(compare, OLD, slower, '--threshold', '60%')).code).toBe(0);
  });

  it('fails by the targets that it is told, and never by a limit', async () => {
    const peers = stored(
      'peers.json',
      sampleReport({ seed: 8, speedOf: { dockerskeleton: 0.7, 'spawn-loop': 0.7 } }),
    );
    const { code, out } = await call(compare, OLD, peers, '--targets', 'hyperskeleton');
    expect(code).toBe(0);
    expect(out.split('Worse, but not counted\n')[1]).toContain('| dockerskeleton ');
    const limits = stored('limits.json', sampleReport({ seed: 8, speedOf: { 'spawn-loop': 0.7 } }));
    expect((await call(compare, OLD, limits, '--threshold', '20%')).code).toBe(0);
  });

  it('exits with 0 where a number got better', async () => {
    const faster = stored('faster.json', sampleReport({ speedOf: { hyperskeleton: 1.5 } }));
    const { code, out } = await call(compare, OLD, faster);
    expect(code).toBe(0);
    expect(out).toContain('\nBetter\n');
  });

  it('decides nothing by two rounds', async () => {
    const few = (seed: number, speed: number): BenchReport =>
      sampleReport({ seed, rounds: 2, speedOf: { hyperskeleton: speed } });
    const { code, out } = await call(
      compare,
      stored('few.json', few(1, 1)),
      stored('few2.json', few(2, 0.5)),
    );
    expect(code).toBe(0);
    expect(out).toMatch(/: 0 better, 0 worse, 0 unchanged, \d+ undecided/);
  });

  it('exits with 1 where what gave right answers fails, not where a peer is absent', async () => {
    const changed = (status: 'failed' | 'absent'): BenchReport => {
      const report = sampleReport();
      const [first, ...others] = report.cells;
      if (first === undefined) throw new Error('the sample has cells');
      return { ...report, cells: [{ ...first, status, reason: 'status 502', rounds: [] }, ...others] };
    };
    expect(await call(compare, OLD, stored('failed.json', changed('failed')))).toMatchObject({ code: 1 });
    expect(await call(compare, OLD, stored('absent.json', changed('absent')))).toMatchObject({ code: 0 });
  });

  it('says when the machines differ', async () => {
    const report = sampleReport();
    const other = stored('other.json', {
      ...report,
      machine: { ...report.machine, cores: 8, node: 'v24.0.0' },
    });
    const { out } = await call(compare, OLD, other);
    expect(out).toContain('facts differ');
    expect(out).toContain('cores 2 → 8; Node v20.20.2 → v24.0.0');
  });

  it('prints JSON, and writes Markdown and HTML', async () => {
    const { out, err } = await call(compare, OLD, OLD, '--json', '--report', 'md,html', '-o', path('made'));
    const { regression, changes } = JSON.parse(out) as { regression: boolean; changes: { metric: string }[] };
    expect(regression).toBe(false);
    expect(new Set(changes.map(({ metric }) => metric))).toContain('ratePerSecond');
    expect(err.trim().split('\n')).toEqual([path('made/compare.md'), path('made/compare.html')]);
    expect(readFileSync(path('made/compare.html'), 'utf8')).toContain('<title>What changed from');
  });

  it.each([
    ['one report only', [OLD], 'two reports are needed'],
    ['no such file', [OLD, path('none.json')], "can't be read"],
    ['no JSON', [OLD, path('no.json')], 'is no JSON'],
    ['another schema', [OLD, path('empty.json')], 'is no benchmark report'],
    ['an option that is not there', [OLD, OLD, '--no-such'], 'no-such'],
    ['a threshold that is none', [OLD, OLD, '--threshold', '500%'], 'is no share'],
    ['a kind that is none', [OLD, OLD, '--report', 'pdf'], 'is none of'],
    ['nothing in common', [OLD, path('without.json')], 'no measured cell in common'],
  ])('exits with 2 on %s', async (_, argv, message) => {
    const { code, err, out } = await call(compare, ...argv);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(out).toBe('');
  });
});

describe('render', () => {
  it('makes every kind of report, and JSON that is the same again', async () => {
    const { code, out } = await call(render, OLD, '--report', 'html,md,json,csv', '-o', path('reports'));
    expect(code).toBe(0);
    expect(out.trim().split('\n')).toEqual(
      ['html', 'md', 'json', 'csv'].map((kind) => path(`reports/report.${kind}`)),
    );
    expect(readdirSync(path('reports')).toSorted()).toEqual([
      'report.csv',
      'report.html',
      'report.json',
      'report.md',
    ]);
    expect(await readReport(path('reports/report.json'))).toEqual(sampleReport());
  });

  it('exits with 2 where the folder is a file', async () => {
    expect((await call(render, OLD, '-o', join(OLD, 'x'))).code).toBe(2);
  });
});

describe('into a page', () => {
  const page = (name: string): string => {
    writeFileSync(
      path(name),
      '# Page\n\n<!-- results -->\nstale\n<!-- /results -->\n\n## After `<!-- results -->`\n',
    );
    return path(name);
  };

  it('render puts the Markdown between the marks, as often as it is asked to', async () => {
    const into = page('page.md');
    expect(await call(render, OLD, '--into', into)).toMatchObject({ code: 0, out: `${into}\n` });
    const once = readFileSync(into, 'utf8');
    expect(once).toMatch(
      /^# Page\n\n<!-- results -->\n\n### Benchmark of [\s\S]*\n<!-- \/results -->\n\n## After `<!-- results -->`\n$/,
    );
    expect(once).not.toContain('stale');
    await call(render, OLD, '--into', into);
    expect(readFileSync(into, 'utf8')).toBe(once);
    writeFileSync(path('bare.md'), '# Page\n');
    const bare = await call(render, OLD, '--into', path('bare.md'));
    expect(bare).toMatchObject({ code: 2, err: expect.stringContaining('has no line <!-- results -->') });
  });

  it('publish fills the history, the page and the picture, and compares with itself as unchanged', async () => {
    const places = ['--results', path('results'), '--docs', page('docs.md'), '--picture', path('p.svg')];
    const whole = stored('whole.json', { ...sampleReport(), interrupted: false });
    expect(await call(publish, whole, ...places)).toMatchObject({ code: 0 });
    const [dated] = readdirSync(path('results'));
    expect(dated).toMatch(/^\d{4}-\d\d-\d\d\.json$/);
    const kept = path(`results/${dated}`);
    expect((await call(compare, OLD, kept)).code).toBe(0);
    expect(readFileSync(kept).length).toBeLessThan(readFileSync(OLD).length);
    expect(readFileSync(path('docs.md'), 'utf8')).toContain('#### Who is ahead');
    expect(readFileSync(path('p.svg'), 'utf8')).toContain('</svg>');
  });

  it('publish refuses half a run, and writes nothing where one place is missing', async () => {
    const half = stored('half.json', { ...sampleReport(), interrupted: true });
    expect((await call(publish, half)).err).toContain('no whole run');
    const places = ['--results', path('none'), '--docs', path('no.md'), '--picture', path('none.svg')];
    const whole = stored('whole.json', { ...sampleReport(), interrupted: false });
    expect((await call(publish, whole, ...places)).code).toBe(2);
    expect(readdirSync(folder)).not.toContain('none');
  });
});

describe('picture and trend', () => {
  it('write their files', async () => {
    expect((await call(picture, OLD, '-o', path('images/bench.svg'))).code).toBe(0);
    expect(readFileSync(path('images/bench.svg'), 'utf8')).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect((await call(trend, OLD, OLD, '-o', path('trend.html'))).code).toBe(0);
    expect(readFileSync(path('trend.html'), 'utf8')).toContain('Benchmarks over 2 runs');
  });

  it('exit with 2 where there is nothing to draw', async () => {
    expect((await call(picture, OLD)).err).toContain('-o: a file is needed');
    expect((await call(picture, OLD, '-o', path('x.svg'), '--connections', '7')).code).toBe(2);
    expect((await call(trend, path('none.json'), '-o', path('x.html'))).code).toBe(2);
  });

  it('explain themselves', async () => {
    for (const run of [compare, picture, publish, render, trend])
      expect(await call(run, '--help')).toMatchObject({
        code: 0,
        out: expect.stringContaining('usage: hyperskeleton bench'),
      });
  });
});
