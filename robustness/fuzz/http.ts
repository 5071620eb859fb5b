import { setTimeout as delay } from 'node:timers/promises';
import { Session } from '../check/session.js';
import { quickWork } from '../load/request.js';
import { TokenClients, worksFrom } from '../load/token-clients.js';
import { pick, randomFor } from '../support/random.js';
import type { SubjectOptions } from '../support/subject.js';
import type { ToolContext } from '../tool.js';
import { type HttpCase, restoredCase, storedCase } from './http-case.js';
import { exchange } from './http-client.js';
import { ANSWER_WITHIN_MS, judge } from './http-judge.js';
import { PRODUCTIONS } from './http-productions.js';
import { jsonCase } from './json-bodies.js';

const ATTACKERS = 12;
const CLIENTS = 4;
const JSON_SHARE = 0.35;
const NAMES = Object.keys(PRODUCTIONS);

/** What is attacked, and for how long. */
export interface HttpRound {
  readonly cell: Pick<SubjectOptions, 'protocol' | 'engine' | 'http'>;
  readonly number: number;
  readonly roundMs: number;
}

/** Sends fuzzed requests on raw connections, while well-behaved clients get their own answers beside them. */
export async function fuzzHttp(context: ToolContext, { cell, number, roundMs }: HttpRound): Promise<void> {
  const session = await start(context, cell);
  const deadlineMs = performance.now() + roundMs;
  try {
    await session.initialise();
    const next = worksFrom(randomFor(context.seed, 'tokens', number), quickWork);
    const clients = new TokenClients(session, next).start(CLIENTS);
    const marks = setInterval(() => session.takeMarks(), 200);
    const attacker = async (index: number): Promise<void> => {
      for (
        let at = 0;
        performance.now() < deadlineMs && !context.isOver() && !session.subject.hasEnded;
        at++
      ) {
        const random = randomFor(context.seed, 'http', number, index, at);
        await attack(session, makeCase(random, session), context);
      }
    };
    await Promise.all(Array.from({ length: ATTACKERS }, (_, index) => attacker(index)));
    await clients.stop();
    clearInterval(marks);
    await conclude(context, session);
  } finally {
    await context.finish(session);
  }
}

/** Sends one stored case again, alone. */
export async function replayHttp(context: ToolContext, stored: StoredHttp): Promise<void> {
  const session = await start(context, stored.cell);
  try {
    await session.initialise();
    const one = restoredCase(stored.case, (mayRun) => session.ledger.issue(mayRun));
    await attack(session, one, context);
    // What the server makes of a connection that ended may come later than that.
    await delay(1000);
    await conclude(context, session);
  } finally {
    await context.finish(session);
  }
}

/** What a file that reproduces a finding of this part holds. */
export interface StoredHttp {
  readonly part: 'http';
  readonly cell: HttpRound['cell'];
  readonly case: unknown;
}

function start(context: ToolContext, cell: HttpRound['cell']): Promise<Session> {
  const { start: command } = context.options;
  return Session.start(
    context,
    { ...cell, ...(command === undefined ? {} : { start: command }) },
    { part: 'http' },
  );
}

function makeCase(random: () => number, session: Session): HttpCase {
  const { protocol, ledger } = session;
  if (random() < JSON_SHARE) return jsonCase(random, protocol);
  const name = pick(random, NAMES);
  const made = PRODUCTIONS[name]?.({ random, protocol, issue: (mayRun) => ledger.issue(mayRun) });
  if (made === undefined) throw new Error(`there is no production ${name}`);
  return { name, ...made };
}

async function attack(session: Session, one: HttpCase, { findings, summary }: ToolContext): Promise<void> {
  const { subject } = session;
  const came = await exchange(subject.port, one, one.isWhole ? ANSWER_WITHIN_MS : 100);
  summary.fault(`http ${one.name}`);
  const stored: StoredHttp = {
    part: 'http',
    cell: {
      protocol: subject.protocol,
      engine: subject.engine,
      ...(subject.http !== undefined && { http: subject.http }),
    },
    case: storedCase(one),
  };
  judge(session, one, came, (kind, detail) => {
    findings.add(kind, detail, { ...session.circumstances, case: one.name }, stored);
  });
  for (const { token } of one.tokens) session.remember(token, { name: one.name, replay: stored });
}

async function conclude(context: ToolContext, session: Session): Promise<void> {
  await session.settle();
  await session.runAlone(3);
  await session.settle();
  await session.terminate();
  context.summary.round(
    ['http', session.protocol, session.subject.engine, session.subject.http].filter(Boolean).join(' '),
  );
}
