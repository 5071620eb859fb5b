import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchServer } from '../support/server.js';
import { median } from '../support/statistics.js';
import { type Finding, type Goal, HELLO, type Setting } from './goal.js';

/** What dockerskeleton took on this kind of machine: 188 ms to listen and 44 ms for its first answer. */
const TARGET_MS = 232;
const STARTS = 7;
const POLL_MS = 2;
const TIMEOUT_MS = 20_000;

/** A new server serves soon. */
export const coldStartGoal: Goal = {
  key: 'cold-start',
  async measure(setting: Setting): Promise<Finding[]> {
    const starts: { listenMs: number; answerMs: number }[] = [];
    // The first start reads the files from the disk; the second and later ones are compared.
    await startOnce(setting);
    while (starts.length < STARTS) starts.push(await startOnce(setting));
    const listenMs = median(starts.map((start) => start.listenMs));
    const answerMs = median(starts.map((start) => start.answerMs));
    return [
      {
        goal: 'from the start of the process to the first answered /run',
        measured: `${answerMs.toFixed(0)} ms, ${listenMs.toFixed(0)} ms to listen (median of ${STARTS})`,
        target: `≤ ${TARGET_MS} ms (the Python peer)`,
        pass: answerMs <= TARGET_MS,
        numbers: { listenMs, answerMs, starts },
      },
    ];
  },
};

async function startOnce({ folder, programs }: Setting): Promise<{ listenMs: number; answerMs: number }> {
  const launched = await BenchServer.launch({ folder, program: programs.hello });
  try {
    const socket = await connectWhenListening(launched.port);
    const listenMs = performance.now() - launched.launchedMs;
    const answer = await postRun(socket);
    const answerMs = performance.now() - launched.launchedMs;
    if (!answer.startsWith('HTTP/1.1 200 ') || !answer.endsWith(HELLO)) {
      throw new Error(`the first answer is ${answer}`);
    }
    return { listenMs, answerMs };
  } finally {
    await launched.stop();
  }
}

/** Tries again as soon as it is refused, as the platform does. */
async function connectWhenListening(port: number): Promise<Socket> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(POLL_MS);
    }
  }
}

async function postRun(socket: Socket): Promise<string> {
  const body = '{"value":{}}';
  socket.write(`POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  let answer = '';
  for await (const chunk of socket.setEncoding('latin1')) {
    answer += chunk;
    if (answer.endsWith('}')) break;
  }
  socket.destroy();
  return answer;
}
