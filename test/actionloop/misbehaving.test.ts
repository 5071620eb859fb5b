import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, startActionLoopServer } from '../support/actionloop-server.js';
import { compileAction } from '../support/run-programs.js';
import type { Answer, RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';
import { until } from '../support/waiting.js';

/** How many requests each way of misbehaving gets; HYPERSKELETON_MISBEHAVING_RUNS asks for more. */
const RUNS = Number(process.env.HYPERSKELETON_MISBEHAVING_RUNS ?? 120);
const TIMEOUT_MS = 60_000 + 20 * RUNS;
const CALLERS = 4;
/** A process misbehaves at each so many-th of its requests. */
const EVERY = 10;
/** The time limit of an activation whose answer never comes, or never ends. */
const TIME_LIMIT_MS = 250;
/** Four times the default of HYPERSKELETON_ACTIONLOOP_CHECK_EVERY. */
const MAX_UNCHECKED = 32;

const WAYS = [
  'extra line in the same write',
  'extra line at once',
  'extra line 10 ms later',
  'the answer twice',
  'the former answer as well',
  'empty line',
  'half a line after the answer',
  'half a line, then the answer',
  'no line feed',
  'line before the first request',
  'the answer, then its end',
  'no JSON',
  'stdin closed',
  'answer in pieces',
] as const;
/** What only numbers can tell from an answer. */
const WAYS_WITH_NUMBERS = [
  ...WAYS,
  'extra line by another process',
  'the number of another request',
] as const;
/** In these ways an answer is no line too many: nothing is to be counted. */
const HARMLESS: readonly string[] = [
  'no line feed',
  'the answer, then its end',
  'no JSON',
  'stdin closed',
  'answer in pieces',
];

interface Tally {
  own: number;
  /** Answered 200 with anything but its own token. */
  foreign: number;
  failed: number;
}

/** The engines differ in descriptors 0 and 3: pipes, or sockets. */
describe.each(['posix_spawn', 'child_process'])('an ActionLoop action that misbehaves (%s)', (engine) => {
  let server: RunServer;
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
  afterEach(() => server.stop());

  async function start(way: string, every: number, more: Record<string, string> = {}): Promise<void> {
    const env = { HYPERSKELETON_ACTIVATION_TIMEOUT_MS: String(TIME_LIMIT_MS), ...more };
    const isNumbered = 'OW_WAIT_FOR_ACK' in more;
    // It may have read several requests at once by then, and answers none of them.
    const mayHang = way === 'no line feed' || (isNumbered && way === 'stdin closed');
    const grace = { HYPERSKELETON_TIMEOUT_GRACE_MS: '50' };
    server = await startActionLoopServer({
      engine,
      env: mayHang ? { ...env, ...grace } : { ...more },
    });
    const code = readFileSync(await compileAction('loop_misbehaves'));
    const variables = { WAY: way, EVERY: String(every), ...(isNumbered && { NUMBERED: '1' }) };
    const init = (): Promise<Answer> => server.post('/init', actionLoopInit(code, { env: variables }));
    // On a busy machine the line comes before the init is over, and fails it.
    const mayFail = way === 'line before the first request';
    await until('an init has succeeded', async () => {
      const { status } = await init();
      if (!mayFail) expect(status).toBe(200);
      return status === 200;
    });
  }

  function ask(token: string): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const body = JSON.stringify({ value: { token } });
      const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
      const options = { host: '127.0.0.1', port: server.port, path: '/run', method: 'POST', agent, headers };
      const outgoing = request(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
        });
      });
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  }

  async function tally(runs: number): Promise<Tally> {
    const seen: Tally = { own: 0, foreign: 0, failed: 0 };
    let begun = 0;
    const call = async (): Promise<void> => {
      while (begun < runs) {
        const token = `token-${begun++}`;
        const { status, body } = await ask(token);
        if (status !== 200) seen.failed++;
        else if (body === `{"token":"${token}"}\n`) seen.own++;
        else seen.foreign++;
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, call));
    return seen;
  }

  async function extraLines(): Promise<number> {
    return (await scrape(server.port)).value('hyperskeleton_actionloop_extra_lines_total') ?? 0;
  }

  function report(way: string, kind: string, seen: Tally): void {
    if (RUNS > 1000) process.stderr.write(`${engine}, ${kind}: ${way}: ${JSON.stringify(seen)}\n`);
  }

  it.each(WAYS)(
    'C-AL-18: %s: nobody gets the answer to another request',
    async (way) => {
      await start(way, EVERY);
      const seen = await tally(RUNS);
      report(way, 'without numbers', seen);
      expect(seen.foreign).toBe(0);
      // What is written before the first request ends each process before it has any.
      if (way === 'line before the first request') expect(seen.own).toBe(0);
      else expect(seen.own).toBeGreaterThanOrEqual(RUNS / 2);
      const counted = await extraLines();
      if (HARMLESS.includes(way)) expect(counted).toBe(0);
      else expect(counted).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  it(
    'C-AL-18: a trusted process is found out after a few answers, and its action is not trusted again',
    async () => {
      const trustedAfter = 1500;
      await start('extra line 10 ms later', trustedAfter);
      const first = await tally(trustedAfter + 200);
      report('extra line 10 ms later', 'a trusted process', first);
      expect(first.foreign).toBeLessThanOrEqual(MAX_UNCHECKED);
      expect(await extraLines()).toBeGreaterThan(0);
      const later = await tally(trustedAfter + 200);
      expect(later.foreign).toBe(0);
    },
    TIMEOUT_MS,
  );

  it(
    'C-AL-18: HYPERSKELETON_ACTIONLOOP_CHECK_EVERY=1 trusts no process',
    async () => {
      await start('extra line 10 ms later', 1500, { HYPERSKELETON_ACTIONLOOP_CHECK_EVERY: '1' });
      expect((await tally(3200)).foreign).toBe(0);
      expect(await extraLines()).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  it.each(WAYS_WITH_NUMBERS)(
    'C-AL-23: %s, with numbers: nobody gets the answer to another request',
    async (way) => {
      const pipeline = { HYPERSKELETON_ACTIONLOOP_PIPELINE: '3' };
      await start(way, EVERY, { OW_WAIT_FOR_ACK: '1', ...pipeline });
      const seen = await tally(RUNS);
      report(way, 'with numbers', seen);
      expect(seen.foreign).toBe(0);
      if (way !== 'line before the first request') expect(seen.own).toBeGreaterThanOrEqual(RUNS / 4);
    },
    TIMEOUT_MS,
  );
});
