import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, readFileSync, readSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../conformance/target/free-port.js';
import { LogFile } from '../../src/logging/server-log/log-file.js';
import { logFile } from '../support/log-file.js';
import { RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';

const BINARY = fileURLToPath(new URL('../../bin/hyperskeleton', import.meta.url));
const readers: number[] = [];

afterEach(() => {
  for (const fd of readers.splice(0)) closeSync(fd);
});

function fifo(): string {
  const path = logFile();
  execFileSync('mkfifo', [path]);
  return path;
}

/** A reader that takes nothing until it is asked to. */
function reader(path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  readers.push(fd);
  return fd;
}

function readAll(fd: number): string {
  const chunks: Buffer[] = [];
  const chunk = Buffer.alloc(65_536);
  for (;;) {
    try {
      const length = readSync(fd, chunk);
      if (length === 0) break;
      chunks.push(Buffer.from(chunk.subarray(0, length)));
    } catch {
      break;
    }
  }
  return Buffer.concat(chunks).toString();
}

describe('a log file that is a FIFO', () => {
  it('without a reader: the start fails, and says why', async () => {
    const path = fifo();
    const child = spawn(BINARY, ['serve', '--port', String(await freePort()), '--log-file', path], {
      env: { PATH: process.env.PATH ?? '' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr.on('data', (data: Buffer) => {
      text += data.toString();
    });
    const [status] = (await once(child, 'close')) as [number];
    const reason = 'it is a FIFO that nobody reads, or a socket';
    expect([status, text]).toEqual([1, `hyperskeleton: the log file ${path} can't be opened: ${reason}\n`]);
  });

  it('with a reader that stands still: activations go on, and what is lost is counted', async () => {
    const path = fifo();
    const fd = reader(path);
    const server = await RunServer.start({
      engine: 'posix_spawn',
      env: { HYPERSKELETON_LOG_FILE: path, HYPERSKELETON_LOG_LEVEL: 'trace' },
    });
    try {
      await server.install('#!/bin/sh\necho "{}"\n');
      const full = await fill(server, fd);
      expect(full).toBeGreaterThan(0);
      expect((await server.run()).status).toBe(200);
    } finally {
      await server.stop();
    }
  });

  it('that has lost its reader, and gets another', () => {
    const path = fifo();
    const first = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const file = new LogFile(path);
    file.write('one\n');
    expect(readAll(first)).toBe('one\n');
    closeSync(first);
    file.write('two\n');
    expect(file.dropped).toBe(1);
    const second = reader(path);
    file.write('three\n');
    expect(readAll(second)).toBe('three\n');
  });

  it('gets whole lines only, however long they are', () => {
    const path = fifo();
    const fd = reader(path);
    const file = new LogFile(path);
    const long = `${'x'.repeat(30_000)}\n`;
    for (let count = 0; count < 10; count++) file.write(long);
    const before = readAll(fd);
    file.write('next\n');
    const text = before + readAll(fd);
    const lines = text.trimEnd().split('\n');
    expect(new Set(lines)).toEqual(new Set([long.trimEnd(), 'next']));
    expect(file.dropped).toBe(10 + 1 - lines.length);
  });
});

/** Sends failing requests until records are lost. @returns how many */
async function fill(server: RunServer, fd: number): Promise<number> {
  const PIPE_BYTES = 65_536;
  const RECORD_BYTES = 100;
  for (let sent = 0; sent < PIPE_BYTES / RECORD_BYTES; sent++) {
    expect((await server.runBody('no JSON')).status).toBe(400);
    if (sent % 50 !== 0) continue;
    const lost = (await scrape(server.port)).value('hyperskeleton_log_records_dropped_total') ?? 0;
    if (lost > 0) return lost;
  }
  expect(readAll(fd)).toBe('a full pipe');
  return 0;
}

describe('a log file that is opened anew', () => {
  it('is another file, if it was renamed', () => {
    const path = logFile();
    const file = new LogFile(path);
    file.write('one\n');
    renameSync(path, `${path}.1`);
    file.reopen();
    file.write('two\n');
    expect([readFileSync(`${path}.1`, 'utf8'), readFileSync(path, 'utf8')]).toEqual(['one\n', 'two\n']);
  });

  it('stays the one it was, if it can not be opened', () => {
    const path = fifo();
    const fd = reader(path);
    const file = new LogFile(path);
    renameSync(path, `${path}.1`);
    execFileSync('mkfifo', [path]);
    expect(() => file.reopen()).toThrow('a FIFO that nobody reads');
    file.write('on\n');
    expect(readAll(fd)).toBe('on\n');
    expect(existsSync(path)).toBe(true);
  });
});
