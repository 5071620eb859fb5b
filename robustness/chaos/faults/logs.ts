import { setTimeout as delay } from 'node:timers/promises';
import type { LogStream } from '../../check/log-stream.js';
import type { Session } from '../../check/session.js';
import { postRun } from '../../load/one-run.js';
import { PLAIN, runBody } from '../../load/request.js';
import { below, pick, type RandomSource } from '../../support/random.js';
import type { Fault } from '../fault.js';

const TIME_LIMIT_MS = 1500;
const TIME_LIMIT_GRACE_MS = 500;
const MARGIN_MS = 3000;
const GRACE_MS = 1000;
/** More than a pipe holds (64 KiB, pipe(7)). */
const LOG_LINES = 8000;

const streamOf = (session: Session, random: RandomSource): LogStream =>
  pick(random, [session.stdout, session.stderr]);

/** Who reads the logs is slow, and the pipe is full: actions wait, nothing is lost. */
export const slowLogReader: Fault = {
  name: 'slow-log-reader',
  inject: async (session, random) => {
    const stream = streamOf(session, random);
    stream.pause();
    const answered = postRun(session, (token) => runBody(token, { ...PLAIN, logLines: LOG_LINES }));
    await delay(50 + below(random, 800));
    stream.resume();
    await answered;
  },
};

/** Who reads the logs goes away (EPIPE), and another one comes. */
export const logReaderGone: Fault = {
  name: 'log-reader-gone',
  isInexact: true,
  // An ActionLoop process has the container's own stdout (C-AL-06): SIGPIPE ends one that writes to it in that moment.
  explains: ['loop_exited'],
  inject: async (session, random) => {
    const stream = streamOf(session, random);
    session.ledger.logsIncomplete = true;
    stream.close();
    await delay(50 + below(random, 300));
    stream.open();
    await delay(100);
  },
};

/** Who reads the logs stands still: the time limit and the shutdown must work without the log. */
export const stuckLogReader: Fault = {
  name: 'stuck-log-reader',
  isInexact: true,
  launch: {
    env: {
      HYPERSKELETON_ACTIVATION_TIMEOUT_MS: String(TIME_LIMIT_MS),
      HYPERSKELETON_TIMEOUT_GRACE_MS: String(TIME_LIMIT_GRACE_MS),
      HYPERSKELETON_GRACE_MS: String(GRACE_MS),
    },
  },
  explains: [
    'run_timeout',
    'run_shutdown_killed',
    'loop_exited',
    'loop_not_restarted',
    'run_killed',
    'draining',
  ],
  inject: async (session) => {
    session.ledger.logsIncomplete = true;
    session.stdout.pause();
    const withinMs = TIME_LIMIT_MS + TIME_LIMIT_GRACE_MS + MARGIN_MS;
    const answered = postRun(session, (token) => runBody(token, { ...PLAIN, logLines: LOG_LINES }));
    const begunMs = performance.now();
    const isAnswered = await Promise.race([answered.then(() => true), delay(withinMs, false)]);
    const lateMs = performance.now() - begunMs - withinMs;
    if (!isAnswered && lateMs < MARGIN_MS)
      session.report(
        'no-answer',
        `with a stuck log reader no answer came ${withinMs} ms after a time limit of ${TIME_LIMIT_MS} ms`,
      );
    session.stdout.resume();
    await answered;
  },
  end: async (session) => {
    session.ledger.logsIncomplete = true;
    session.stdout.pause();
    const answered = postRun(session, (token) => runBody(token, { ...PLAIN, logLines: LOG_LINES }));
    await delay(300);
    await session.terminate(GRACE_MS);
    session.stdout.resume();
    await session.killRest();
    await answered;
  },
};
