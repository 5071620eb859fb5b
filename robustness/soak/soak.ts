import { setTimeout as delay } from 'node:timers/promises';
import { send } from '../../bench/support/http.js';
import { leaksOf } from '../check/resources.js';
import { Session } from '../check/session.js';
import { canJudge } from '../check/slope.js';
import { mixedWork, quickWork } from '../load/request.js';
import { TokenClients, worksFrom } from '../load/token-clients.js';
import { randomFor } from '../support/random.js';
import type { Tool, ToolContext } from '../tool.js';

const CLIENTS = 16;
const MIN_ROUND_MS = 1500;
const MAX_ROUND_MS = 20_000;
/** So many rounds that a slope can be fitted to what each leaves behind. */
const ROUNDS = 14;
const TIME_LIMIT_MS = 5000;
const SCRAPE_EVERY_MS = 500;
const MARKS_EVERY_MS = 200;
const MINUTE_MS = 60_000;

/** Many activations of all sorts on one server, in equal rounds; what stays after each is compared. */
export const soak: Tool = {
  name: 'soak',
  parts: ['mixed', 'quick'],
  async run(context) {
    const { options } = context;
    const isForeign = options.start !== undefined;
    const protocols = options.protocols;
    const engines = isForeign ? ['none'] : options.engines;
    const cells = protocols.flatMap((protocol) => engines.map((engine) => ({ protocol, engine })));
    // As many servers as have time for enough rounds; a longer run has more of them, up to all.
    const fitting = Math.floor((options.minutes * MINUTE_MS) / (ROUNDS * 2 * MIN_ROUND_MS));
    const count = Math.max(1, Math.min(cells.length, fitting));
    const offset = context.seed % cells.length;
    for (let index = 0; index < count && !context.isOver(); index++) {
      const cell = cells[(offset + index) % cells.length];
      if (cell !== undefined) await soakServer(context, cell, (options.minutes * MINUTE_MS) / count);
    }
  },
};

type Cell = Parameters<typeof Session.start>[1];

async function soakServer(context: ToolContext, cell: Cell, budgetMs: number): Promise<void> {
  const { options, summary, seed } = context;
  const session = await Session.start(context, {
    ...cell,
    ...(options.start === undefined ? {} : { start: options.start }),
    env: {
      PROXY_ALLOW_REINIT: '1',
      HYPERSKELETON_ACTIVATION_TIMEOUT_MS: String(TIME_LIMIT_MS),
      HYPERSKELETON_ACTIONLOOP_PROCESSES: '2',
    },
  });
  const random = randomFor(seed, 'soak', cell.protocol, cell.engine);
  const make = context.wants('mixed') ? mixedWork : quickWork;
  // A round with its settling takes about twice the time of its load.
  const roundMs = Math.min(MAX_ROUND_MS, Math.max(MIN_ROUND_MS, budgetMs / ROUNDS - 2500));
  const deadlineMs = performance.now() + budgetMs;
  try {
    await session.initialise();
    let rounds = 0;
    do {
      await soakRound(session, worksFrom(random, make), roundMs);
      summary.round(`${cell.protocol} ${cell.engine}`);
      rounds++;
    } while (
      !session.subject.hasEnded &&
      (rounds < options.rounds || performance.now() + roundMs < deadlineMs)
    );
    // In fewer rounds growth can't be told from noise; the report says whether it was looked for.
    if (canJudge(session.samples.length)) summary.round('judged for leaks');
    for (const { detail } of leaksOf(session.samples)) session.report('leak', detail);
    await session.terminate();
  } finally {
    await context.finish(session);
  }
}

async function soakRound(
  session: Session,
  next: ConstructorParameters<typeof TokenClients>[1],
  roundMs: number,
): Promise<void> {
  const clients = new TokenClients(session, next).start(CLIENTS);
  const endMs = performance.now() + roundMs;
  const background = [
    repeat(MARKS_EVERY_MS, endMs, () => Promise.resolve(session.takeMarks())),
    repeat(SCRAPE_EVERY_MS, endMs, async () => void (await session.scrape().catch(() => undefined))),
    // A further init amid the load replaces the action by itself, which no run may notice.
    repeat(roundMs / 2, endMs, () => initAgain(session)),
  ];
  await Promise.all(background);
  await clients.stop();
  await session.settle();
  await session.runAlone(2);
  await session.settle();
  await session.sample();
}

async function initAgain(session: Session): Promise<void> {
  const { path, body } = session.initRequest();
  const answer = await send(session.subject.port, 'POST', path, body).catch(() => undefined);
  if (answer === undefined) session.tally.unanswered('init');
  else session.tally.answered({ purpose: 'init', status: answer.status, cause: undefined });
  if (answer?.status !== 200)
    session.report('unexpected-failure', `a further init was answered ${answer?.status}`);
}

async function repeat(everyMs: number, untilMs: number, what: () => Promise<void>): Promise<void> {
  for (;;) {
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) return;
    await delay(Math.min(everyMs, leftMs));
    await what();
  }
}
