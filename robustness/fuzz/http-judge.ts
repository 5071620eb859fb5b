import { isDeepStrictEqual } from 'node:util';
import type { ParsedResponse } from '../../bench/load/response-parser.js';
import { type Session, tokenIn } from '../check/session.js';
import type { Purpose } from '../check/tally.js';
import type { FindingKind } from '../findings.js';
import { causeIn } from '../load/token-clients.js';
import type { HttpCase } from './http-case.js';
import type { Exchange } from './http-client.js';

/** A whole request must be answered, or its connection closed, within this time; the machine's own delay comes on top. */
export const ANSWER_WITHIN_MS = 5000;

type Report = (kind: FindingKind, detail: string) => void;

/** Holds what came of a case against what may come of it, and counts it. */
export function judge(session: Session, one: HttpCase, exchange: Exchange, report: Report): void {
  const { answers, problem, bytes, wasClosed, tookMs } = exchange;
  if (problem !== undefined) {
    report(
      problem.includes('without Content-Length') ? 'no-length' : 'malformed-answer',
      `${one.name}: ${problem}: ${JSON.stringify(bytes.toString('latin1', 0, 120))}`,
    );
  }
  if (answers.length > one.maxRequests) {
    report('malformed-answer', `${one.name}: ${answers.length} answers to ${one.maxRequests} requests`);
  }
  const isSilent = one.isWhole && answers.length < one.maxRequests && !wasClosed && problem === undefined;
  if (isSilent) {
    report(
      'silence',
      `${one.name}: ${answers.length} answers, and the connection open after ${Math.round(tookMs)} ms`,
    );
  }
  count(session, one, exchange);
  judgeTokens(session, one, answers, report);
  if (one.demand !== undefined) judgeDemand(one, answers, wasClosed, report);
}

function count(session: Session, one: HttpCase, { answers, problem }: Exchange): void {
  for (const answer of answers) {
    const cause = causeIn(answer.head);
    if (
      answer.status === 200 &&
      cause === undefined &&
      one.name === 'mutated' &&
      tokenIn(answer.body) === undefined
    )
      session.tally.ambiguous(answer.status);
    else session.tally.answered({ purpose: purposeOf(one, answer, cause), status: answer.status, cause });
  }
  // What never came whole must not have reached the contract; of anything else without an answer nobody knows.
  const neverCame =
    one.tokens.length > 0 && one.tokens.every(({ mayRun }) => mayRun === 'run-though-incomplete');
  const missing = one.maxRequests - answers.length - (problem === undefined ? 0 : 1);
  for (let left = missing; left > 0; left--) {
    if (neverCame) session.tally.answered({ purpose: 'other', status: 0, cause: undefined });
    else session.tally.unanswered(one.tokens.length > 0 || one.name === 'json' ? 'run' : 'other');
  }
}

function purposeOf(one: HttpCase, { status, body }: ParsedResponse, cause: string | undefined): Purpose {
  if (cause !== undefined)
    return cause.startsWith('init_') || cause.startsWith('loop_no_code') ? 'init' : 'run';
  if (status !== 200) return 'other';
  return one.name === 'json' || tokenIn(body) !== undefined ? 'run' : 'other';
}

function judgeTokens(
  { ledger }: Session,
  one: HttpCase,
  answers: readonly ParsedResponse[],
  report: Report,
): void {
  const own = new Set(one.tokens.map(({ token }) => token));
  const answered = new Map<string, number>();
  let before = -1;
  for (const answer of answers) {
    const token = answer.status === 200 ? tokenIn(answer.body) : undefined;
    if (token === undefined) continue;
    answered.set(token, (answered.get(token) ?? 0) + 1);
    if (own.has(token)) {
      const at = one.tokens.findIndex((other) => other.token === token);
      if (at <= before) report('swapped', `${one.name}: answers came out of order`);
      before = at;
    } else if (ledger.knows(token))
      report('swapped', `${one.name}: the token of another request came: ${token}`);
  }
  for (const { token } of one.tokens) {
    if ((answered.get(token) ?? 0) > 0) ledger.succeeded(token, token);
    else if (one.tokens.length === 1 && answers[0] !== undefined && one.maxRequests === 1)
      ledger.failed(token, causeIn(answers[0].head));
    else ledger.closed(token);
  }
}

function judgeDemand(
  { name, demand }: HttpCase,
  [answer]: readonly ParsedResponse[],
  wasClosed: boolean,
  report: Report,
): void {
  if (answer === undefined || demand === undefined) {
    if (wasClosed) report('dropped', `${name}: a valid request, and the connection was closed`);
    return;
  }
  if (!demand.status.includes(answer.status) && answer.status !== 429) {
    const text = answer.body.toString('utf8', 0, 200);
    report('wrong-answer', `${name}: ${answer.status} instead of ${demand.status.join(' or ')}: ${text}`);
    return;
  }
  if (answer.status !== 200 || !('value' in demand)) return;
  const value = parsed(answer.body);
  if (!isDeepStrictEqual(value, demand.value))
    report(
      'wrong-answer',
      `${name}: ${answer.body.toString('utf8', 0, 200)} instead of ${JSON.stringify(demand.value)?.slice(0, 200)}`,
    );
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
