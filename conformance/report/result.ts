import type { Kind, Protocol } from '../case.js';

type Outcome = 'passed' | 'failed' | 'skipped';

/** What became of one case. */
export interface CaseResult {
  readonly rule: string;
  readonly title: string;
  readonly protocol: Protocol;
  readonly kind: Kind;
  readonly result: Outcome;
  /** Why it failed or was skipped. */
  readonly reason?: string;
  readonly durationMs: number;
}

/** The result of a whole run, as `--json` writes it and `--from` reads it. */
export interface RunReport {
  readonly target: string;
  readonly protocol: Protocol;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly cases: readonly CaseResult[];
}

/** Numbers of a run; `differs` is the part of `failed` whose rule the peers are known to break. */
interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly differs: number;
  readonly skipped: number;
}

/** Counts the outcomes. */
export function countsOf(cases: readonly CaseResult[]): Counts {
  const count = (result: Outcome): number => cases.filter((one) => one.result === result).length;
  return {
    passed: count('passed'),
    failed: count('failed'),
    differs: cases.filter((one) => one.result === 'failed' && one.kind === 'better').length,
    skipped: count('skipped'),
  };
}

/** The word for an outcome: a `better` rule that is not kept is how dockerskeleton and its kin behave. */
export function wordFor({ result, kind }: CaseResult): string {
  return result === 'failed' && kind === 'better' ? 'differs' : result;
}

/** The summary in one line. */
export function summaryOf(report: RunReport): string {
  const { passed, failed, differs, skipped } = countsOf(report.cases);
  const known = differs > 0 ? ` (${differs} of them where peers differ as documented)` : '';
  return `${report.cases.length} cases: ${passed} passed, ${failed} failed${known}, ${skipped} skipped`;
}
