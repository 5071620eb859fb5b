import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection, requestBytes } from '../load/connection.js';
import { initBody } from '../support/archive.js';
import { sendOk } from '../support/http.js';
import { BenchServer } from '../support/server.js';
import type { Finding, Goal, Setting } from './goal.js';

const ACTIVATIONS = 1_000_000;
const CONNECTIONS = 32;
const PROGRESS_EVERY = 50_000;

/** What became of the activations. */
interface Tally {
  sent: number;
  answered: number;
  /** Not a 200, or another answer than the one asked for. */
  wrong: number;
  firstWrong: string;
}

/** Of a million activations, each with a token of its own, every one runs once and gets its own answer. */
export const soakGoal: Goal = {
  key: 'soak',
  onlyByName: true,
  async measure({ programs, folder }: Setting): Promise<Finding[]> {
    const server = await BenchServer.start({ folder });
    const tally: Tally = { sent: 0, answered: 0, wrong: 0, firstWrong: '' };
    try {
      await sendOk(server.port, 'POST', '/init', initBody({ exec: await readFile(programs.token) }));
      const begunMs = performance.now();
      await Promise.all(Array.from({ length: CONNECTIONS }, () => sendAll(server.port, tally)));
      const seconds = (performance.now() - begunMs) / 1000;
      const { size: runs } = await stat(join(server.actionRoot, 'runs'));
      const { answered, wrong, firstWrong } = tally;
      return [
        {
          goal: `${ACTIVATIONS} activations over ${CONNECTIONS} connections, each with its own token`,
          measured: `${answered} answered, ${wrong} wrong, ${runs} runs, in ${seconds.toFixed(0)} s${firstWrong}`,
          target: 'each has run once, and has its own answer',
          pass: answered === ACTIVATIONS && wrong === 0 && runs === ACTIVATIONS,
          numbers: { answered, wrong, runs, seconds },
        },
      ];
    } finally {
      await server.stop();
    }
  },
};

async function sendAll(port: number, tally: Tally): Promise<void> {
  const endpoint = { host: '127.0.0.1', port, path: '/run' };
  const connection = new Connection(endpoint);
  try {
    while (tally.sent < ACTIVATIONS) {
      const expected = `{"token":${tally.sent++}}`;
      const { status, body } = await connection.send(requestBytes(endpoint, `{"value":${expected}}`));
      const answer = body.toString().trimEnd();
      tally.answered++;
      if (tally.answered % PROGRESS_EVERY === 0) process.stderr.write(`  ${tally.answered} answered\n`);
      if (status === 200 && answer === expected) continue;
      tally.wrong++;
      tally.firstWrong ||= `; the first: ${status} ${answer.slice(0, 200)} instead of ${expected}`;
    }
  } finally {
    connection.close();
  }
}
