import type { FindingKind } from '../findings.js';
import { TokenSource } from './token.js';

/** How often a request may be run: once at most, or not at all, and then by which name it is a finding. */
export type MayRun =
  | 'once'
  | Extract<FindingKind, 'run-though-incomplete' | 'smuggled' | 'run-though-refused'>;

/** Causes of failures of which no process of the action can know (docs/reference/errors.md). */
const NEVER_RUN: ReadonlySet<string> = new Set([
  'overloaded',
  'draining',
  'body_too_large',
  'malformed_request',
  'not_found',
  'method_not_allowed',
  'run_bad_json',
  'run_bad_context',
  'run_bad_arguments',
  'run_no_exec',
  'run_start_failed',
  'loop_no_action',
]);

type Report = (kind: FindingKind, detail: string, token: string) => void;

interface Entry {
  mayRun: MayRun;
  outcome: 'pending' | 'succeeded' | 'failed' | 'closed';
  runs: number;
  stdout: number;
  stderr: number;
}

/**
 * Knows of every token what was sent, answered, run and logged. Requests of which all is well are forgotten at
 * once, so that millions take no memory; a run of a forgotten one is its second.
 */
export class TokenLedger {
  readonly #source = new TokenSource();
  readonly #open = new Map<string, Entry>();
  readonly #report: Report;
  /** Whether log lines may be missing: their reader was taken away. */
  logsIncomplete = false;

  constructor(report: Report) {
    this.#report = report;
  }

  /** A new token; its request is about to be sent. */
  issue(mayRun: MayRun = 'once'): string {
    const token = this.#source.next();
    this.#open.set(token, { mayRun, outcome: 'pending', runs: 0, stdout: 0, stderr: 0 });
    return token;
  }

  /** The request was answered 200, with this token in the answer. */
  succeeded(token: string, answered: string | undefined): void {
    if (answered !== token) {
      const kind = answered !== undefined && this.#source.made(answered) ? 'swapped' : 'wrong-answer';
      this.#report(kind, `${token} was answered ${answered ?? 'without a token'}`, token);
    }
    this.#conclude(token, 'succeeded');
  }

  /** The request was answered with a failure. */
  failed(token: string, cause: string | undefined): void {
    const entry = this.#open.get(token);
    if (entry !== undefined && cause !== undefined && NEVER_RUN.has(cause) && entry.mayRun === 'once') {
      entry.mayRun = 'run-though-refused';
      if (entry.runs > 0) this.#report('run-though-refused', `${token} was run and answered ${cause}`, token);
    }
    this.#conclude(token, 'failed');
  }

  /** The connection ended without an answer. */
  closed(token: string): void {
    this.#conclude(token, 'closed');
  }

  /** A process of the action has begun to run the request. */
  ran(token: string): void {
    const entry = this.#open.get(token);
    if (entry === undefined) {
      if (this.#source.made(token)) this.#report('run-twice', `${token} was run again`, token);
      return;
    }
    entry.runs++;
    if (entry.mayRun !== 'once') this.#report(entry.mayRun, `${token} was run`, token);
    else if (entry.runs > 1) this.#report('run-twice', `${token} was run ${entry.runs} times`, token);
    this.#forget(token, entry);
  }

  /** The line of the request has come on a log stream. */
  logged(stream: 'stdout' | 'stderr', token: string): void {
    const entry = this.#open.get(token);
    if (entry === undefined) {
      if (this.#source.made(token)) this.#report('log-line', `${token} came again on ${stream}`, token);
      return;
    }
    if (++entry[stream] > 1)
      this.#report('log-line', `${token} came ${entry[stream]} times on ${stream}`, token);
    this.#forget(token, entry);
  }

  /** Whether the token was issued by this ledger. */
  knows(token: string): boolean {
    return this.#source.made(token);
  }

  /** Whether something is still to come of what was answered 200. */
  get isSettled(): boolean {
    return [...this.#open.values()].every(({ outcome, runs, stdout, stderr }) => {
      if (outcome === 'pending') return false;
      return outcome !== 'succeeded' || (runs > 0 && (this.logsIncomplete || (stdout > 0 && stderr > 0)));
    });
  }

  /** Reports what is missing now that all has come that could come, and begins anew. */
  settle(): void {
    for (const [token, { outcome, runs, stdout, stderr, mayRun }] of this.#open) {
      if (outcome === 'pending' && mayRun === 'once')
        this.#report('no-answer', `${token} was never answered`, token);
      if (outcome !== 'succeeded') continue;
      if (runs === 0) this.#report('not-run', `${token} was answered 200 and left no mark`, token);
      if (this.logsIncomplete) continue;
      if (stdout === 0) this.#report('log-line', `the line of ${token} is missing on stdout`, token);
      if (stderr === 0) this.#report('log-line', `the line of ${token} is missing on stderr`, token);
    }
    this.#open.clear();
  }

  #conclude(token: string, outcome: Entry['outcome']): void {
    const entry = this.#open.get(token);
    if (entry === undefined) return;
    entry.outcome = outcome;
    this.#forget(token, entry);
  }

  #forget(token: string, { outcome, runs, stdout, stderr }: Entry): void {
    if (outcome === 'succeeded' && runs > 0 && stdout > 0 && stderr > 0) this.#open.delete(token);
  }
}
