import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { RequestBlock } from '../../src/engines/forkserver/ipc/request-block.js';
import { GrowableBuffer } from '../../src/protocol/growable-buffer.js';
import { EngineFixture } from '../support/run-engine.js';

const SECRET = ['of', 'one', 'activation', 'alone'].join('-');

/** What this process has in memory from an address on. */
function bytesAt(address: bigint): Buffer {
  const bytes = Buffer.alloc(8192);
  const memory = openSync('/proc/self/mem', 'r');
  readSync(memory, bytes, 0, bytes.length, address);
  closeSync(memory);
  return bytes;
}

/** How often the text lies in the memory of this process where the C library has allocated it. */
function inHeapOfC(text: string): number {
  const memory = openSync('/proc/self/mem', 'r');
  let found = 0;
  try {
    for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
      const [, begin, end] = /^([0-9a-f]+)-([0-9a-f]+) rw\S+ .*\[heap\]$/.exec(line) ?? [];
      if (begin === undefined || end === undefined) continue;
      const bytes = Buffer.alloc(Number.parseInt(end, 16) - Number.parseInt(begin, 16));
      readSync(memory, bytes, 0, bytes.length, Number.parseInt(begin, 16));
      for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) found++;
      bytes.fill(0);
    }
  } finally {
    closeSync(memory);
  }
  return found;
}

let rig: EngineFixture | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

describe('what an activation has brought is overwritten', () => {
  it.each(['forkserver', 'posix_spawn'] as const)('in the memory that starts it (%s)', async (kind) => {
    rig = new EngineFixture(kind);
    rig.installScript('#!/bin/sh\nexit 0\n');
    for (let round = 0; round < 3; round++) {
      const run = await rig.run({ variables: { KEY: SECRET } });
      expect(run.outcome).toBe('started');
    }
    expect(inHeapOfC(SECRET)).toBe(0);
  });

  it('in the message that a template has received', () => {
    const block = new RequestBlock();
    const shape = { names: ['KEY'], argumentCapacityBytes: 4096, variablesCapacityBytes: 1024 };
    const message = block.encodeRun(1, shape, Buffer.from(SECRET), [['KEY', SECRET]], [0, 1, 2]) as bigint;
    expect(bytesAt(message).includes(SECRET)).toBe(true);
    block.wipe();
    expect(bytesAt(message).includes(SECRET)).toBe(false);
  });

  it('in what held a result, when it grows and when it is let go', () => {
    const bytes = new GrowableBuffer(1_000_000);
    bytes.append(Buffer.from(SECRET));
    const first = bytes.bytes();
    bytes.append(Buffer.alloc(2000, 'x'));
    expect(first).toEqual(Buffer.alloc(SECRET.length));
    const second = bytes.bytes();
    expect(second.toString('latin1')).toBe(SECRET + 'x'.repeat(2000));
    bytes.clear();
    expect(second).toEqual(Buffer.alloc(second.length));
  });
});
