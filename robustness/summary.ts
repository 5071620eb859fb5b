import { writeFileSync } from 'node:fs';
import { type MachineInfo, readMachineInfo } from '../bench/support/machine.js';
import { table } from '../bench/support/table.js';
import type { Tally } from './check/tally.js';
import { type Finding, type Findings, lineOf } from './findings.js';

/** What a tool has done, counted. */
export class Summary {
  readonly #startedAt = new Date().toISOString();
  readonly #begunMs = performance.now();
  readonly #rounds = new Map<string, number>();
  readonly #answers = new Map<string, number>();
  readonly #faults = new Map<string, number>();

  round(name: string): void {
    increase(this.#rounds, name, 1);
  }

  fault(name: string): void {
    increase(this.#faults, name, 1);
  }

  /** Adds the requests of a server that is done with. */
  add(tally: Tally): void {
    for (const [key, count] of tally.answers) increase(this.#answers, key, count);
  }

  report(tool: string, seed: number, findings: Findings): Report {
    return {
      tool,
      seed,
      startedAt: this.#startedAt,
      seconds: Math.round((performance.now() - this.#begunMs) / 1000),
      machine: readMachineInfo(),
      rounds: sorted(this.#rounds),
      requests: sorted(this.#answers),
      faults: sorted(this.#faults),
      findings: findings.counted,
      excepted: findings.list.filter((one) => findings.isExcepted(one)),
    };
  }
}

/** The report of one run of a tool, as `--out` writes it. */
export interface Report {
  readonly tool: string;
  readonly seed: number;
  readonly startedAt: string;
  readonly seconds: number;
  readonly machine: MachineInfo;
  readonly rounds: Readonly<Record<string, number>>;
  /** By what was asked for, status and cause. */
  readonly requests: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
  readonly excepted: readonly Finding[];
}

/** The end of the tool's output. */
export function textOf(report: Report): string {
  const rows = (what: string, counts: Readonly<Record<string, number>>): string[][] =>
    Object.entries(counts).map(([name, count]) => [what, name, String(count)]);
  const found = (what: string, list: readonly Finding[]): string[][] => {
    const byKind: Record<string, number> = {};
    for (const { kind, count } of list) byKind[kind] = (byKind[kind] ?? 0) + count;
    return rows(what, byKind);
  };
  const lines = [
    table(
      ['what', 'kind', 'count'],
      [
        ...rows('round', report.rounds),
        ...rows('request', report.requests),
        ...rows('fault', report.faults),
        ...found('excepted', report.excepted),
        ...found('finding', report.findings),
      ],
    ),
    ...report.findings.map((finding) => `${finding.count} × ${lineOf(finding)}`),
  ];
  const total = Object.values(report.requests).reduce((sum, count) => sum + count, 0);
  const verdict = report.findings.length === 0 ? 'nothing found' : `${report.findings.length} findings`;
  return `${lines.join('\n')}\n${report.tool}: seed ${report.seed}, ${report.seconds} s, ${total} requests, ${verdict}\n`;
}

export function writeReport(path: string, report: Report): void {
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
}

function increase(counts: Map<string, number>, name: string, by: number): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([one], [other]) => (one < other ? -1 : 1)));
}
