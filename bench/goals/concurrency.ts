import { request } from 'node:http';
import { Target } from '../support/target.js';
import type { Finding } from './goal.js';

const SLEEPERS = 200;
const LIMIT_MS = 3000;
const MOST_THREADS = 4;

/** Many activations that only wait, on few threads. */
export async function concurrency(): Promise<Finding[]> {
  const target = await Target.start();
  try {
    target.install({ script: '#!/bin/sh\nsleep 1\necho "{}"\n' });
    const threads = await workerThreads(target);
    const begunMs = performance.now();
    const statuses = await Promise.all(Array.from({ length: SLEEPERS }, () => run(target.port)));
    const elapsedMs = performance.now() - begunMs;
    const served = statuses.every((status) => status === 200);
    return [
      {
        what: `${SLEEPERS} activations at once that sleep 1 s, on ${threads} worker threads`,
        measured: served ? `${(elapsedMs / 1000).toFixed(2)} s` : 'not all served',
        target: `<= ${LIMIT_MS / 1000} s, <= ${MOST_THREADS} threads`,
        reached: served && elapsedMs <= LIMIT_MS && threads <= MOST_THREADS,
      },
    ];
  } finally {
    await target.stop();
  }
}

/** A connection of its own each, as the platform opens them. */
function run(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, path: '/run', method: 'POST', agent: false },
      (answer) => {
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode ?? 0));
      },
    );
    outgoing.once('error', reject);
    outgoing.end('{}');
  });
}

async function workerThreads(target: Target): Promise<number> {
  const text = await (await fetch(target.url('/metrics'))).text();
  return Number(/^hyperskeleton_worker_threads (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}
