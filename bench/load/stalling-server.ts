import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

/** What the thread is told. */
export interface StallTask {
  readonly stallMs: number;
  /** From the begin of one stall to the begin of the next. */
  readonly everyMs: number;
}

// A server that answers at once, save that it stands still on purpose now and then, as one with a long garbage
// collection does. It is a thread of its own: it must not hold the generator up.
const { stallMs, everyMs } = workerData as StallTask;
const idle = new Int32Array(new SharedArrayBuffer(4));

const server = createServer((request, response) => {
  request.resume();
  request.once('end', () => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 2 });
    response.end('{}');
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
setInterval(() => Atomics.wait(idle, 0, 0, stallMs), everyMs);
parentPort?.postMessage((server.address() as AddressInfo).port);
