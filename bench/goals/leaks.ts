import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection, requestBytes } from '../load/connection.js';
import { initBody } from '../support/archive.js';
import { sendOk } from '../support/http.js';
import { openFiles, processTree, threadCount, zombies } from '../support/processes.js';
import { BenchServer } from '../support/server.js';
import { type Finding, type Goal, HELLO, type Setting } from './goal.js';

const ACTIVATIONS = 10_000;
/** What the first activations open and start stays, once. */
const WARM_UPS = 200;
const SETTLE_MS = 1000;

/** What an activation could leave behind. */
interface Counts {
  readonly descriptors: number;
  readonly threads: number;
  readonly children: number;
  readonly zombies: number;
  readonly files: number;
}

/** Of ten thousand activations, one after the other, nothing stays. */
export const leaksGoal: Goal = {
  key: 'leaks',
  async measure({ programs, folder }: Setting): Promise<Finding[]> {
    // The server's folder for temporary files is in here.
    const place = await mkdtemp(join(folder, 'leaks-'));
    const server = await BenchServer.start({ folder: place });
    const endpoint = { host: '127.0.0.1', port: server.port, path: '/run' };
    const connection = new Connection(endpoint);
    try {
      await sendOk(server.port, 'POST', '/init', initBody({ exec: await readFile(programs.hello) }));
      const request = requestBytes(endpoint, '{"value":{}}');
      const activate = async (times: number): Promise<number> => {
        const beginMs = performance.now();
        for (let i = 0; i < times; i++) {
          const { status, body } = await connection.send(request);
          if (status !== 200 || body.toString().trimEnd() !== HELLO) throw new Error(`${status} ${body}`);
        }
        return performance.now() - beginMs;
      };
      await activate(WARM_UPS);
      const before = await countAll(server.pid, place);
      const tookMs = await activate(ACTIVATIONS);
      const after = await countAll(server.pid, place);
      const names = Object.keys(before) as (keyof Counts)[];
      return [
        {
          goal: `what ${ACTIVATIONS} activations, one after the other, leave behind`,
          measured: `${names.map((name) => `${name} ${before[name]} → ${after[name]}`).join(', ')}, in ${(tookMs / 1000).toFixed(0)} s`,
          target: 'no more than before',
          pass: names.every((name) => after[name] <= before[name]),
          numbers: { before, after, tookMs },
        },
      ];
    } finally {
      connection.close();
      await server.stop();
    }
  },
};

async function countAll(pid: number, place: string): Promise<Counts> {
  await delay(SETTLE_MS);
  return {
    descriptors: openFiles(pid),
    threads: threadCount(pid),
    children: processTree(pid).length - 1,
    zombies: zombies(pid),
    files: (await readdir(place, { recursive: true })).length,
  };
}
