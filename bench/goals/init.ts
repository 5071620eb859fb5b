import { randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { Target } from '../support/target.js';
import { type Finding, MEGABYTE, megabytes } from './goal.js';

const ARCHIVE_BYTES = 40 * MEGABYTE;
const SLOWEST_HEALTH_MS = 100;
const MOST_MEMORY_BYTES = 240 * MEGABYTE;

/** Asks GET /healthz again and again, in a thread that nothing else holds up; answers the slowest. */
const PROBE = `
const { parentPort, workerData } = require('node:worker_threads');
const { request, Agent } = require('node:http');
const agent = new Agent({ keepAlive: true });
let slowestMs = 0, count = 0, stopping = false;
parentPort.on('message', () => { stopping = true; });
function once() {
  const begunMs = performance.now();
  request({ host: '127.0.0.1', port: workerData, path: '/healthz', agent }, (answer) => {
    answer.resume();
    answer.once('end', () => {
      slowestMs = Math.max(slowestMs, performance.now() - begunMs);
      count++;
      if (stopping) { parentPort.postMessage({ slowestMs, count }); agent.destroy(); parentPort.close(); }
      else setTimeout(once, 2);
    });
  }).end();
}
once();
parentPort.postMessage('ready');
`;

/** The main thread stays free, and memory in bounds, while 40 MB are unpacked. */
export async function init(): Promise<Finding[]> {
  const body = JSON.stringify({ value: { binary: true, code: archive().toString('base64') } });
  const target = await Target.start();
  try {
    const probe = new Worker(PROBE, { eval: true, workerData: target.port });
    await message(probe);
    let peakBytes = 0;
    const sampler = setInterval(() => {
      peakBytes = Math.max(peakBytes, target.pssBytes());
    }, 5);
    const { status } = await target.post('/init', body);
    clearInterval(sampler);
    probe.postMessage('stop');
    const { slowestMs, count } = (await message(probe)) as { slowestMs: number; count: number };
    return [
      {
        what: `slowest of ${count} GET /healthz during the init of a 40 MB zip (status ${status})`,
        measured: `${slowestMs.toFixed(0)} ms`,
        target: `<= ${SLOWEST_HEALTH_MS} ms`,
        reached: status === 200 && slowestMs <= SLOWEST_HEALTH_MS,
      },
      {
        what: 'peak memory of the process tree (PSS) during that init',
        measured: megabytes(peakBytes),
        target: `< ${megabytes(MOST_MEMORY_BYTES)}`,
        reached: status === 200 && peakBytes > 0 && peakBytes < MOST_MEMORY_BYTES,
      },
    ];
  } finally {
    await target.stop();
  }
}

function message(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/** A zip of one incompressible file, stored, and an exec. */
function archive(): Buffer {
  const entries = [
    { name: 'exec', data: Buffer.from('#!/bin/sh\necho "{}"\n') },
    { name: 'data', data: randomBytes(ARCHIVE_BYTES) },
  ];
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data } of entries) {
    const header = Buffer.alloc(26);
    header.writeUInt16LE(20, 0);
    header.writeUInt32LE(crc32(data), 10);
    header.writeUInt32LE(data.length, 14);
    header.writeUInt32LE(data.length, 18);
    header.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), header, Buffer.from(name), data]);
    directory.push(
      Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), header, tail, Buffer.from(name)]),
    );
    bodies.push(local);
    offset += local.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(listing.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...bodies, listing, Buffer.from('PK\x05\x06', 'latin1'), end]);
}
