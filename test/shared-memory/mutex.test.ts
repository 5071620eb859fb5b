import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { Mutex } from '../../src/shared-memory/mutex.js';

const TABLE = new Int32Array(new SharedArrayBuffer(8));
const AT = 1;

it('has one holder at a time, and only that one can give it back', () => {
  const first = new Mutex(TABLE, AT, 1);
  const second = new Mutex(TABLE, AT, 2);
  expect(first.lock()).toBe(true);
  expect(second.lock(1)).toBe(false);
  second.unlock();
  expect(second.lock(1)).toBe(false);
  first.unlock();
  expect(second.lock(1)).toBe(true);
  second.unlock();
});

it('wakes the thread that waits for it when a dead holder is released', async () => {
  expect(new Mutex(TABLE, AT, 7).lock()).toBe(true);
  const waiter = new Worker(
    `const { workerData: { module, cells }, parentPort } = require('node:worker_threads');
     import(module).then(({ Mutex }) => {
       parentPort.postMessage('waits');
       parentPort.postMessage(new Mutex(cells, ${AT}, 8).lock());
     });`,
    {
      eval: true,
      workerData: {
        module: new URL('../../dist/src/shared-memory/mutex.js', import.meta.url).href,
        cells: TABLE,
      },
    },
  );
  try {
    const messages: unknown[] = [];
    await new Promise<void>((resolve, reject) => {
      waiter.on('error', reject).on('message', (message) => {
        messages.push(message);
        // What stands for the dead thread is another object with its number.
        if (message === 'waits') new Mutex(TABLE, AT, 7).unlock();
        else resolve();
      });
    });
    expect(messages).toEqual(['waits', true]);
    expect(TABLE[AT]).toBe(8);
  } finally {
    await waiter.terminate();
  }
});
