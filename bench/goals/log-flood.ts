import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { initBody } from '../support/archive.js';
import { onEnd } from '../support/cleanup.js';
import { sendOk } from '../support/http.js';
import { MEGABYTE, steadyBytes, watchPeak } from '../support/memory.js';
import type { MemoryReport } from '../support/memory-thread.js';
import type { Sampler } from '../support/sampler.js';
import { BenchServer } from '../support/server.js';
import type { Finding, Goal, Setting } from './goal.js';

const execute = promisify(execFile);
const LOG_BYTES = 2 ** 30;
const TARGET_MB = 30;
const SMALL_ACTIVATIONS = 20;
const SETTLE_MS = 2000;
const SHAPES = { lines: 'lines of 100 bytes', 'one-line': 'one single line' } as const;

/** A log of any size passes through the server, none of it stays. */
export const logFloodGoal: Goal = {
  key: 'log-flood',
  async measure(setting: Setting): Promise<Finding[]> {
    return [await flood(setting, 'lines'), await flood(setting, 'one-line')];
  },
};

async function flood({ programs, folder }: Setting, shape: keyof typeof SHAPES): Promise<Finding> {
  const reader = await CountingReader.start(folder);
  const server = await BenchServer.start({ folder, stdoutFd: reader.fd });
  let peak: Sampler<MemoryReport> | undefined;
  try {
    reader.closeWriteEnd();
    await sendOk(server.port, 'POST', '/init', initBody({ exec: await readFile(programs.flood) }));
    // What the first activations leave behind is the state that the flood must not change.
    for (let i = 0; i < SMALL_ACTIVATIONS; i++) await server.run('{"log":"nothing"}');
    await delay(SETTLE_MS);
    const beforeBytes = await steadyBytes(server.pid);
    peak = await watchPeak(server.pid, 'process');
    const beginMs = performance.now();
    const answer = (await server.run(`{"log":"${shape}"}`)).toString();
    const tookMs = performance.now() - beginMs;
    const { peakBytes } = await peak.stop();
    await delay(SETTLE_MS);
    const growthMb = ((await steadyBytes(server.pid)) - beforeBytes) / MEGABYTE;
    const peakMb = (peakBytes - beforeBytes) / MEGABYTE;
    await server.stop();
    const readBytes = await reader.count();
    const complete = readBytes >= LOG_BYTES && answer === '{"logged":1}';
    return {
      goal: `server's memory after a log of 1 GB as ${SHAPES[shape]}`,
      measured: `${signed(growthMb)} MB, at the peak ${signed(peakMb)} MB, in ${(tookMs / 1000).toFixed(1)} s${complete ? '' : `, but only ${readBytes} bytes came and the answer was ${answer}`}`,
      target: `within ±${TARGET_MB} MB, all of it logged`,
      pass: complete && Math.abs(growthMb) <= TARGET_MB,
      numbers: { growthMb, peakMb, tookMs, readBytes },
    };
  } finally {
    await peak?.end();
    await server.stop();
    reader.end();
  }
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(1)}`;
}

/** Reads a pipe to its end, as a log driver does, and counts the bytes. */
class CountingReader {
  readonly fd: number;
  readonly end: () => void;
  readonly #counted: Promise<string>;
  #open = true;

  private constructor(fd: number, end: () => void, counted: Promise<string>) {
    this.fd = fd;
    this.end = end;
    this.#counted = counted;
  }

  static async start(folder: string): Promise<CountingReader> {
    const fifo = join(folder, 'stdout.fifo');
    rmSync(fifo, { force: true });
    await execute('mkfifo', [fifo]);
    // A pipe of the kernel's: what Node makes for a child's stdin is a socket.
    const child = spawn('sh', ['-c', 'exec wc -c <"$1"', 'sh', fifo], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const end = onEnd(() => child.kill('SIGKILL'));
    await once(child, 'spawn');
    const counted = text(child.stdout);
    // Waits until the reader has opened its end.
    return new CountingReader(openSync(fifo, 'w'), end, counted);
  }

  /** Leaves the server's end as the only one: the reader is to see the end when the server ends. */
  closeWriteEnd(): void {
    if (this.#open) closeSync(this.fd);
    this.#open = false;
  }

  /** How many bytes came until the end. */
  async count(): Promise<number> {
    return Number(await this.#counted);
  }
}
