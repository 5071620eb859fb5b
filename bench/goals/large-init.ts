import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { initBody } from '../support/archive.js';
import type { HealthReport, HealthTask } from '../support/health-thread.js';
import { sendOk } from '../support/http.js';
import { MEGABYTE, watchPeak } from '../support/memory.js';
import { Sampler } from '../support/sampler.js';
import { BenchServer } from '../support/server.js';
import { type Finding, type Goal, HELLO, type Setting } from './goal.js';

/** The larger megabyte here, so that the goal holds with either. */
const ZIP_BYTES = 40 * 2 ** 20;
const TARGET_HEALTH_MS = 100;
const TARGET_PEAK_MB = 240;
const HEALTH_EVERY_MS = 3;
const REPEATS = 3;

/** What one large init did to the server. */
interface LargeInit {
  readonly tookMs: number;
  readonly health: HealthReport;
  readonly peakMb: number;
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
    const peakMb = Math.max(...inits.map((init) => init.peakMb));
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
        measured: `${peakMb.toFixed(0)} MB`,
        target: `≤ ${TARGET_PEAK_MB} MB`,
        pass: peakMb <= TARGET_PEAK_MB,
        numbers: { peakMb },
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
  const samplers: Sampler<unknown>[] = [];
  try {
    const health = await watchHealth(server.port);
    samplers.push(health);
    const memory = await watchPeak(server.pid, 'tree');
    samplers.push(memory);
    const beginMs = performance.now();
    await sendOk(server.port, 'POST', '/init', {
      stream: createReadStream(body),
      lengthBytes: (await stat(body)).size,
    });
    const tookMs = performance.now() - beginMs;
    const report = {
      tookMs,
      health: await health.stop(),
      peakMb: (await memory.stop()).peakBytes / MEGABYTE,
    };
    const answer = (await server.run()).toString();
    if (answer !== HELLO) throw new Error(`the action of the large zip answers ${answer}`);
    return report;
  } finally {
    for (const sampler of samplers) await sampler.end();
    await server.stop();
  }
}

function watchHealth(port: number): Promise<Sampler<HealthReport>> {
  const task: HealthTask = { port, everyMs: HEALTH_EVERY_MS };
  return Sampler.start<HealthReport>(new URL('../support/health-thread.js', import.meta.url), task);
}
