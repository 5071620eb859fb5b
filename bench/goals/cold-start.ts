import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { median } from '../support/load.js';
import type { Programs } from '../support/programs.js';
import { Target } from '../support/target.js';
import type { Effort, Finding } from './goal.js';

const STARTS = 9;
const REQUEST = 'POST /run HTTP/1.1\r\nHost: bench\r\nContent-Length: 2\r\n\r\n{}';

/** From the start of the server to the first answered activation. */
export async function coldStart(programs: Programs, { rounds }: Effort): Promise<Finding[]> {
  const listens: number[] = [];
  const answers: number[] = [];
  for (let start = 0; start < Math.max(rounds, STARTS); start++) {
    const begunMs = performance.now();
    const target = await Target.spawn();
    try {
      target.install({ program: programs.hello });
      const [listenMs, answerMs] = await firstAnswer(target.port);
      listens.push(listenMs - begunMs);
      answers.push(answerMs - begunMs);
    } finally {
      await target.stop();
    }
  }
  return [
    {
      what: `cold start: spawn of the server to its first answered /run (it listens after ${median(listens).toFixed(0)} ms)`,
      measured: `${median(answers).toFixed(0)} ms`,
      target: 'for comparison',
      reached: true,
    },
  ];
}

async function firstAnswer(port: number): Promise<[listenMs: number, answerMs: number]> {
  for (;;) {
    const times = await attempt(port);
    if (times !== undefined) return times;
    await delay(1);
  }
}

function attempt(port: number): Promise<[number, number] | undefined> {
  return new Promise((resolve) => {
    let listenMs = 0;
    const socket = connect(port, '127.0.0.1', () => {
      listenMs = performance.now();
      socket.write(REQUEST);
    });
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.includes(' 200 ') ? [listenMs, performance.now()] : undefined);
    });
    socket.once('error', () => resolve(undefined));
  });
}
