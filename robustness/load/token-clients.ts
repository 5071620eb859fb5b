import { Connection, requestBytes } from '../../bench/load/connection.js';
import type { ParsedResponse } from '../../bench/load/response-parser.js';
import type { Session } from '../check/session.js';
import type { RandomSource } from '../support/random.js';
import { runBody, type Work } from './request.js';

const ANSWER_TIMEOUT_MS = 60_000;
const PAUSE_AFTER_LOSS_MS = 300;

/** The answers that each end of an activation may have: 200 or these causes. */
const EXPECTED: Readonly<Record<Work['end'], readonly string[]>> = {
  result: ['200'],
  error: ['200'],
  invalid: ['run_invalid_result'],
  killed: ['run_killed', 'loop_exited'],
  timeout: ['run_timeout'],
};

/** Well-behaved clients, each with a kept connection and one request at a time, each request with a token. */
export class TokenClients {
  readonly #session: Session;
  readonly #next: () => Work;
  readonly #connections: Connection[] = [];
  readonly #loops: Promise<void>[] = [];
  #isStopping = false;
  /** Answers with status 200. */
  succeeded = 0;
  /** Requests that got anything else: another status, or the end of the connection. */
  failed = 0;
  /** Whether the end of connections is expected from now on: the server was told to end. */
  isServerEnding = false;

  constructor(session: Session, next: () => Work) {
    this.#session = session;
    this.#next = next;
  }

  /** Lets so many clients begin. */
  start(count: number): this {
    for (let client = 0; client < count; client++) this.#loops.push(this.#loop());
    return this;
  }

  /** Lets every client end after the answer it waits for; an answer that does not come in a minute is a finding. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#loops);
  }

  async #loop(): Promise<void> {
    const { subject } = this.#session;
    const endpoint = { host: '127.0.0.1', port: subject.port, path: subject.path };
    const connection = new Connection(endpoint);
    this.#connections.push(connection);
    try {
      while (!this.#isStopping && !subject.hasEnded) {
        const work = this.#next();
        const token = this.#session.ledger.issue();
        const timer = setTimeout(() => {
          this.#session.report('no-answer', `${token} has had no answer for ${ANSWER_TIMEOUT_MS} ms`);
          connection.abandon();
        }, ANSWER_TIMEOUT_MS);
        const answer = await connection
          .send(requestBytes(endpoint, runBody(token, work)))
          .catch((error: Error) => error);
        clearTimeout(timer);
        if (answer instanceof Error) await this.#lost(token, answer);
        else this.#answered(token, work, answer);
      }
    } finally {
      connection.close();
    }
  }

  #answered(token: string, work: Work, { status, head, body }: ParsedResponse): void {
    const cause = causeIn(head);
    const session = this.#session;
    session.answered(token, status, cause, body);
    const key = status === 200 ? '200' : (cause ?? String(status));
    if (status === 200) this.succeeded++;
    else this.failed++;
    if (!EXPECTED[work.end].includes(key)) {
      const isExplained = session.explained.has(key) || (this.isServerEnding && status === 503);
      if (!isExplained) {
        const text = body.toString('utf8', 0, 200);
        session.report('unexpected-failure', `asked for ${work.end}, answered ${status} ${key}: ${text}`);
      }
      return;
    }
    const padded = status === 200 && body.length < work.padBytes;
    if (padded) session.report('wrong-answer', `${body.length} bytes came, ${work.padBytes} were asked for`);
  }

  async #lost(token: string, error: Error): Promise<void> {
    const session = this.#session;
    this.failed++;
    session.ledger.closed(token);
    session.tally.unanswered('run');
    // A server that has died closes all connections a moment before anybody knows that it has died.
    await new Promise((resolve) => setTimeout(resolve, PAUSE_AFTER_LOSS_MS));
    const isExpected = session.mayDrop || this.isServerEnding || session.subject.hasEnded || this.#isStopping;
    if (!isExpected) session.report('dropped', `${error.message}`);
  }
}

/** The cause of a failure, from the head of its answer. */
export function causeIn(head: string): string | undefined {
  return /^x-hyperskeleton-cause: *(\S+)/im.exec(head)?.[1];
}

/** Draws one piece of work after another. */
export function worksFrom(random: RandomSource, make: (random: RandomSource) => Work): () => Work {
  return () => make(random);
}
