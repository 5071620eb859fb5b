import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../conformance/target/free-port.js';
import { median } from '../measure/statistics.js';
import { onEnd } from '../support/cleanup.js';
import { BenchServer } from '../support/server.js';
import type { Finding, Goal, Setting } from './goal.js';

const STARTS = 11;
const TARGET_RATIO = 0.75;
const POLL_MS = 2;
const TIMEOUT_MS = 20_000;

interface StartTimes {
  readonly listenMs: number;
  readonly answerMs: number;
}

/** A server on its way up. */
interface Launched {
  readonly port: number;
  readonly launchedMs: number;
  /** Why it will never listen; undefined while it may. */
  readonly problem?: () => string | undefined;
  stop(): Promise<void>;
}

/** A new server serves soon: well before the peer, where one is given to compare with. */
export const coldStartGoal: Goal = {
  key: 'cold-start',
  async measure({ folder, programs, peer }: Setting): Promise<Finding[]> {
    const launch = (): Promise<Launched> => BenchServer.launch({ folder, program: programs.hello });
    const starts: StartTimes[] = [];
    const peerStarts: StartTimes[] = [];
    // The first start reads the files from the disk; the second and later ones are compared.
    await startOnce(launch);
    if (peer !== undefined) await startOnce(() => launchPeer(peer));
    while (starts.length < STARTS) {
      starts.push(await startOnce(launch));
      if (peer !== undefined) peerStarts.push(await startOnce(() => launchPeer(peer)));
    }
    const listenMs = median(starts.map((start) => start.listenMs));
    const answerMs = median(starts.map((start) => start.answerMs));
    const peerMs = peer === undefined ? undefined : median(peerStarts.map((start) => start.answerMs));
    const beside =
      peerMs === undefined ? '' : `: ${(answerMs / peerMs).toFixed(2)} of the peer's ${peerMs.toFixed(0)} ms`;
    return [
      {
        goal: 'from the start of the process to the first answered /run',
        measured: `${answerMs.toFixed(0)} ms, ${listenMs.toFixed(0)} ms to listen (median of ${STARTS})${beside}`,
        target: `≤ ${TARGET_RATIO} of the peer's${peerMs === undefined ? '; none given' : ''}`,
        pass: peerMs === undefined || answerMs <= TARGET_RATIO * peerMs,
        numbers: { listenMs, answerMs, peerMs, starts, peerStarts },
      },
    ];
  },
};

async function startOnce(launch: () => Promise<Launched>): Promise<StartTimes> {
  const launched = await launch();
  try {
    const socket = await connectWhenListening(launched);
    const listenMs = performance.now() - launched.launchedMs;
    const answer = await postRun(socket);
    const answerMs = performance.now() - launched.launchedMs;
    if (!/^HTTP\/1\.[01] 200 /.test(answer)) throw new Error(`the first answer is ${answer}`);
    return { listenMs, answerMs };
  } finally {
    await launched.stop();
  }
}

/** A runtime of the same contract that takes its port from FLASK_PROXY_PORT, by the command that starts it. */
async function launchPeer(command: string): Promise<Launched> {
  const port = await freePort();
  const launchedMs = performance.now();
  const child = spawn('/bin/sh', ['-c', `exec ${command}`], {
    env: { ...process.env, FLASK_PROXY_PORT: String(port) },
    stdio: 'ignore',
  });
  const exited = once(child, 'exit');
  const end = onEnd(() => child.kill('SIGKILL'));
  return {
    port,
    launchedMs,
    problem: () => (child.exitCode === null ? undefined : `the peer ended with status ${child.exitCode}`),
    async stop() {
      end();
      await exited;
    },
  };
}

/** Tries again as soon as it is refused, as the platform does. */
async function connectWhenListening({ port, problem }: Launched): Promise<Socket> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      const reason = problem?.();
      if (reason !== undefined) throw new Error(reason, { cause: error });
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
    if (answer.trimEnd().endsWith('}')) break;
  }
  socket.destroy();
  return answer;
}
