import { describe, expect, it } from 'vitest';
import { caveatsOf } from '../../bench/report/caveats.js';
import { csvReport } from '../../bench/report/csv.js';
import { partNote, partsOf } from '../../bench/report/groups.js';
import { htmlReport } from '../../bench/report/html/report.js';
import { markdownReport } from '../../bench/report/markdown.js';
import { readmePicture } from '../../bench/report/picture.js';
import type { BenchReport } from '../../bench/report/schema.js';
import { trendPage } from '../../bench/report/trend.js';
import { verdictsOf } from '../../bench/report/verdicts.js';
import { sampleReport } from './sample-report.js';

const REPORT = sampleReport();
const PICTURE = { connections: 32 };

describe('verdicts', () => {
  const said = partsOf(REPORT).map((part) => ({
    kind: part.kind,
    sentences: verdictsOf(REPORT, part).map(({ subject, rest }) => subject + rest),
  }));
  const of = (kind: string): string[] => said.find((part) => part.kind === kind)?.sentences ?? [];

  it('begin with one connection, the concurrent ones apart', () => {
    expect(said.map(({ kind }) => kind)).toEqual(['one', 'many', 'open', 'capacity', 'cold', 'init']);
    expect(partNote(REPORT, 'many')).toMatch(
      /dockerskeleton and openwhisk-runtime-go serve one activation at a time/,
    );
  });

  it('say who is ahead, by how much and how sure', () => {
    expect(of('one')[0]).toMatch(
      /^Hyperskeleton, posix_spawn is ahead of dockerskeleton in activations\/s in all 3 comparisons, by 1\.\d+× \(95 % interval 1\.\d+–1\.\d+×; hello, Python\) to [45]\.\d+× \(.+; hello, static C\); in p50 latency ahead in all by/,
    );
  });

  it('name the baseline first where it is ahead', () => {
    expect(of('cold')[0]).toMatch(
      /^dockerskeleton is ahead of Hyperskeleton, posix_spawn in time to listen, by 1\.\d+×/,
    );
  });

  it('admit what is undecided', () => {
    expect(of('init')[0]).toMatch(
      / and dockerskeleton are undecided in p50 latency: the 95 % interval includes 1×/,
    );
  });

  it('do not claim that an interval includes 1 where it rests on too few rounds', () => {
    const few = {
      ...REPORT,
      comparisons: REPORT.comparisons.map((one) => ({ ...one, better: 'undecided' as const })),
    };
    const sentences = partsOf(few).flatMap((part) => verdictsOf(few, part).map(({ rest }) => rest));
    expect(sentences[0]).toMatch(
      /and dockerskeleton are undecided in activations\/s in all 3 comparisons: too few rounds to trust the interval \(/,
    );
    expect(sentences.at(-1)).toContain('the 95 % interval includes 1×');
  });

  it('say nothing of limits', () => expect(JSON.stringify(said)).not.toContain('C loop'));
});

it('caveats name what is missing, failed, cut short, bound and disturbed', () => {
  const kinds = caveatsOf(REPORT).map(({ kind }) => kind);
  expect(new Set(kinds)).toEqual(new Set(['interrupted', 'failed', 'absent', 'bound', 'noise']));
  const text = caveatsOf(REPORT)
    .map((caveat) => caveat.text)
    .join('\n');
  expect(text).toContain(
    'Failed: openwhisk-runtime-go in “arguments of 1 MB”, 1 connection: 37 of 812 answers were wrong',
  );
  expect(text).toContain('Absent: of-watchdog, streaming (not installed');
  expect(text).toMatch(/\d+ rounds repeated because of neighbours/);
});

it('a table without any number says why', () => {
  const unsupported = REPORT.cells
    .filter(({ scenarioId }) => scenarioId === 'init-40mb')
    .map(({ summary: _, ...cell }) => ({ ...cell, status: 'unsupported' as const, rounds: [] }));
  const text = markdownReport({ ...REPORT, cells: unsupported, comparisons: [] });
  expect(text).toContain('| dockerskeleton | not possible |');
});

it('a log is cut after the first line of its sentence', () => {
  const cells = REPORT.cells.map((cell) => ({ ...cell, reason: 'it ended; its log ends:\nKilled\n' }));
  const failed = caveatsOf({ ...REPORT, cells }).find(({ kind }) => kind === 'failed');
  expect(failed?.text).toMatch(/: it ended; its log ends … It has no number here\.$/);
});

it('a late sender and a machine without rest are named', () => {
  const late = {
    ...REPORT,
    noise: { ...REPORT.noise, disturbedRounds: 100 },
    cells: REPORT.cells.map((cell) => ({
      ...cell,
      rounds: cell.rounds.map((round) => ({ ...round, senderLateP99Us: 5000 })),
    })),
  };
  const caveats = caveatsOf(late);
  expect(caveats.map(({ kind }) => kind)).toContain('unrest');
  expect(caveats.some(({ text }) => /sender itself was late.*dockerskeleton.* by 5\.00 ms/.test(text))).toBe(
    true,
  );
});

/** A parser of RFC 4180 that knows nothing of the writer. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,"\r\n]*))(,|\r\n)/g)) {
    rows.at(-1)?.push(quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'));
    if (end === '\r\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

it('CSV has a row per cell and round, and gives the numbers back', () => {
  const reason = 'it said "no",\nand left';
  const report = {
    ...REPORT,
    cells: REPORT.cells.map((cell) => (cell.status === 'absent' ? { ...cell, reason } : cell)),
  };
  const [head, ...rows] = parseCsv(csvReport(report));
  const column = (name: string): number => head?.indexOf(name) ?? -1;
  expect(rows.length).toBe(report.cells.reduce((sum, { rounds }) => sum + Math.max(1, rounds.length), 0));
  expect(rows.every((row) => row.length === head?.length)).toBe(true);
  const [cell] = report.cells;
  expect(rows.slice(0, 5).map((row) => Number(row[column('rate_per_second')]))).toEqual(
    cell?.rounds.map((round) => round.ratePerSecond),
  );
  expect(rows.find((row) => row[column('status')] === 'absent')?.[column('reason')]).toBe(reason);
  expect(rows.find((row) => row[column('status')] === 'failed')?.[column('errors')]).toBe('status 502: 37');
});

describe('Markdown', () => {
  const text = markdownReport(REPORT);

  it('has the summary, a table per scenario with the ratio, the machine and the command', () => {
    expect(text).toContain('### Who is ahead');
    expect(text).toContain(
      '| target | activations/s | p50 latency | p99 latency | CPU per activation | peak memory | activations/s ÷ dockerskeleton |',
    );
    expect(text).toMatch(
      /\| Hyperskeleton, posix\\_spawn \| \d+\/s \(\d+–\d+\) \|.*\| [45]\.\d+× \(\d\.\d+–\d\.\d+\) \|/,
    );
    expect(text).toContain('| openwhisk-runtime-go | failed |');
    expect(text).toContain('Xeon');
    expect(text).toContain('```sh\nhyperskeleton bench --baseline dockerskeleton');
  });

  it('has as many columns in every row as in its head', () => {
    const tables = text.split('\n\n').filter((block) => block.startsWith('|'));
    expect(tables.length).toBe(9);
    for (const rows of tables.map((block) => block.split('\n')))
      expect(new Set(rows.map((row) => row.replaceAll('\\|', '').split('|').length)).size).toBe(1);
  });

  it('fits a comment of GitHub, whatever was measured', () => {
    const many = Array.from({ length: 8 }, (_, copy) =>
      REPORT.cells.map((cell) => ({ ...cell, scenarioId: `${cell.scenarioId}-${copy}` })),
    );
    const long = markdownReport({ ...REPORT, cells: many.flat() });
    expect(text).not.toContain('More tables');
    expect(long).toContain('More tables than a comment has room for');
    expect(long.length).toBeLessThan(65_536);
    expect(long).toContain('### Machine and command');
  });

  it('fences a command that has backticks', () => {
    expect(markdownReport({ ...REPORT, commandLine: ['a```b'] })).toContain("````sh\n'a```b'\n````\n");
  });
});

describe('strings of others', () => {
  const EVIL = `\u0002</title></text><script>alert("x")</script><img src=http://evil.test/a.png onerror='x'>&|\`\u0001`;
  const evil: BenchReport = {
    ...REPORT,
    commandLine: [EVIL],
    machine: { ...REPORT.machine, cpu: EVIL, packages: { [EVIL]: EVIL }, kernel: EVIL, commit: EVIL },
    targets: REPORT.targets.map((target) => ({
      ...target,
      title: EVIL,
      description: EVIL,
      absentReason: EVIL,
      command: [EVIL],
    })),
    scenarios: REPORT.scenarios.map((scenario) => ({ ...scenario, title: EVIL, description: EVIL })),
    cells: REPORT.cells.map((cell) => ({ ...cell, reason: EVIL })),
  };

  it.each([
    ['HTML', htmlReport(evil)],
    ['trend', trendPage([evil])],
    ['picture', readmePicture(evil, PICTURE)],
  ])('are no markup in %s', (_, text) => {
    expect(text).not.toMatch(/<img|<script>alert|onerror='/);
    for (const control of ['\u0001', '\u0002']) expect(text).not.toContain(control);
    expect(text).toContain('&lt;script&gt;');
  });

  it('are no markup in Markdown', () => {
    const text = markdownReport(evil).replace(/```sh[\s\S]*?```/, '');
    expect(text).not.toMatch(/<script|<img/);
  });
});

describe('files load nothing', () => {
  it.each([
    ['report', htmlReport(REPORT)],
    ['trend', trendPage([REPORT])],
    ['picture', readmePicture(REPORT, PICTURE)],
  ])('%s', (_, text) => {
    const plain = text.replaceAll('http://www.w3.org/2000/svg', '');
    expect(plain).not.toMatch(/https?:\/\/|<link|<img|<iframe|@import|\ssrc=|url\((?!#)/i);
    expect([...plain.matchAll(/ href="([^"]*)"/g)].every(([, href]) => href?.startsWith('#'))).toBe(true);
  });
});

describe('the picture of the README', () => {
  const svg = readmePicture(REPORT, PICTURE);

  it('shows the rate of many connections and the latency of one, in light and dark', () => {
    expect(svg).toContain('Activations/s, 32 connections – more is better');
    expect(svg).toContain('Median latency, 1 kept connection – less is better');
    expect(svg).toContain('limit: C loop of posix_spawn');
    expect(svg).toContain('@media (prefers-color-scheme:dark)');
    expect(svg).not.toContain('of-watchdog');
  });

  it('says what the report lacks', () => {
    expect(() => readmePicture(REPORT, { connections: 128 })).toThrow(
      'no scenario with numbers at 1 and at 128',
    );
    expect(() => readmePicture(REPORT, { connections: 32, scenario: 'x' })).toThrow('“x”');
  });
});

it('the trend has a point per run', () => {
  const page = trendPage([sampleReport({ startedAt: '2026-11-23T09:30:00.000Z' }), REPORT]);
  expect(page).toContain('Benchmarks over 2 runs');
  expect(page.indexOf('2026-11-20 09:30 UTC')).toBeLessThan(page.indexOf('2026-11-23 09:30 UTC'));
  expect(page.match(/<svg/g)?.length).toBeGreaterThan(10);
});
