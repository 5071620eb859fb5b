import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { initBody } from '../support/archive.js';
import type { HealthReport, HealthTask } from '../support/health-thread.js';
import { sendOk } from '../support/http.js';
import { MIB, watchPeak } from '../support/memory.js';
import { Sampler } from '../support/sampler.js';
import { BenchServer } from '../support/server.js';
import { type Finding, type Goal, HELLO, type Setting } from './goal.js';

/** The zip is 40 MB large, the limit is in units of 1,000 too. */
const ZIP_BYTES = 40e6;
const TARGET_HEALTH_MS = 100;
const TARGET_PEAK_MIB = 240;
const HEALTH_EVERY_MS = 3;
const REPEATS = 3;

/** What one large init did to the server. */
interface LargeInit {
  readonly tookMs: number;
  readonly health: HealthReport;
  readonly peakMiB: number;
}

/** A large init neither stops the server's other answers nor fills its memory. */
export const largeInitGoal: Goal = {
  key: 'large-init',
  async measure(setting: Setting): Promise<Finding[]> {
    const body = join(setting.folder, 'large-init.json');
    await writeLargeBody(setting, body);
    const inits: LargeInit[] = [];
    while (inits.length < REPEATS) inits.push(await initOnce(setting, body));
    await rm(body);
    const maxMs = Math.max(...inits.map(({ health }) => health.maxMs));
    const lateMs = Math.max(...inits.map(({ health }) => health.lateMs));
    const samples = inits.reduce((sum, { health }) => sum + health.samples, 0);
    const tookMs = Math.max(...inits.map((init) => init.tookMs));
    const peakMiB = Math.max(...inits.map((init) => init.peakMiB));
    return [
      {
        goal: 'slowest GET /healthz during the init of a 40 MB zip',
        measured: `${maxMs.toFixed(0)} ms of ${samples} samples in ${REPEATS} inits of up to ${tookMs.toFixed(0)} ms (the client was ${lateMs.toFixed(0)} ms late at most)`,
        target: `≤ ${TARGET_HEALTH_MS} ms`,
        pass: maxMs <= TARGET_HEALTH_MS,
        numbers: { maxMs, inits },
      },
      {
        goal: 'peak memory of the process tree during that init',
        measured: `${peakMiB.toFixed(0)} MB`,
        target: `≤ ${TARGET_PEAK_MIB} MB`,
        pass: peakMiB <= TARGET_PEAK_MIB,
        numbers: { peakMiB },
      },
    ];
  },
};

/** Random bytes: a zip that is as large as what it holds. One file is the hardest case for memory. */
async function writeLargeBody({ programs }: Setting, path: string): Promise<void> {
  const exec = await readFile(programs.hello);
  await writeFile(path, initBody({ exec, data: randomBytes(ZIP_BYTES) }));
}

async function initOnce({ folder }: Setting, body: string): Promise<LargeInit> {
  const server = await BenchServer.start({ folder });
  try {
    const task: HealthTask = { port: server.port, everyMs: HEALTH_EVERY_MS };
    const health = await Sampler.start<HealthReport>(
      new URL('../support/health-thread.js', import.meta.url),
      task,
    );
    const memory = await watchPeak(server.pid, 'tree');
    const beginMs = performance.now();
    await sendOk(server.port, 'POST', '/init', {
      stream: createReadStream(body),
      lengthBytes: (await stat(body)).size,
    });
    const tookMs = performance.now() - beginMs;
    const report = { tookMs, health: await health.stop(), peakMiB: (await memory.stop()).peakBytes / MIB };
    const answer = (await server.run()).toString();
    if (answer !== HELLO) throw new Error(`the action of the large zip answers ${answer}`);
    return report;
  } finally {
    await server.stop();
  }
}
