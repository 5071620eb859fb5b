import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { messageOf } from '../src/protocol/message-of.js';
import { HELLO } from './goals/goal.js';
import { flameGraph } from './profile/flame-graph.js';
import { fold } from './profile/fold.js';
import { initBody } from './support/archive.js';
import { endOnSignals, temporaryFolder } from './support/cleanup.js';
import { sendOk } from './support/http.js';
import { closedLoop } from './support/load.js';
import { readMachineInfo } from './support/machine.js';
import { buildPrograms } from './support/programs.js';
import { BenchServer } from './support/server.js';

const execute = promisify(execFile);

/** No divisor of what comes a thousand times a second. */
const SAMPLES_PER_SECOND = 9973;
const WARM_UP_SECONDS = 3;
const MAX_OUTPUT_BYTES = 2 ** 30;

const USAGE = `Draws where the CPU time of an activation goes, as flame graphs, with Linux's perf (Debian: linux-perf).

usage: npm run profile -- [options]
  --connections N   callers at once (default 32)
  --seconds S       how long to look (default 3)
  --engine NAME     as HYPERSKELETON_ENGINE (default auto)
  --out FILE        the picture (default profile.svg)
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      connections: { type: 'string', default: '32' },
      seconds: { type: 'string', default: '3' },
      engine: { type: 'string', default: 'auto' },
      out: { type: 'string', default: 'profile.svg' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  endOnSignals();
  const { engine, out } = values;
  const connections = Number(values.connections);
  const seconds = Number(values.seconds);
  const folder = temporaryFolder();
  const programs = await buildPrograms(folder);
  // V8 tells perf the names of what it compiles, in a file that perf looks for.
  const env = { NODE_OPTIONS: '--perf-basic-prof --interpreted-frames-native-stack' };
  const server = await BenchServer.start({ folder, engine, env });
  try {
    await sendOk(server.port, 'POST', '/init', initBody({ exec: await readFile(programs.hello) }));
    const load = { port: server.port, connections, expected: HELLO };
    await closedLoop({ ...load, seconds: WARM_UP_SECONDS });
    const data = join(folder, 'perf.data');
    const what = [
      'record',
      '-q',
      '-a',
      '-e',
      'cpu-clock',
      '-F',
      String(SAMPLES_PER_SECOND),
      '-g',
      '-o',
      data,
    ];
    const [report] = await Promise.all([
      closedLoop({ ...load, seconds: seconds + 1 }),
      perf([...what, 'sleep', String(seconds)]),
    ]);
    const text = await perf(['script', '-i', data, '-F', 'comm,pid,tid,ip,sym,dso']);
    const usPerSample = 1e6 / SAMPLES_PER_SECOND / (report.ratePerSecond * seconds);
    const { cpu, cores, kernel, node, date } = readMachineInfo();
    const title = `One activation of a static C program, ${connections} connections, engine ${engine}: ${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}, ${String(date).slice(0, 10)}`;
    await writeFile(out, flameGraph(fold(text, server.pid), { title, usPerSample }));
    process.stdout.write(`${out}: ${report.ratePerSecond.toFixed(0)} activations per second meanwhile\n`);
  } finally {
    await server.stop();
    await rm(`/tmp/perf-${server.pid}.map`, { force: true });
  }
}

async function perf(options: readonly string[]): Promise<string> {
  try {
    const { stdout } = await execute('perf', options, { maxBuffer: MAX_OUTPUT_BYTES });
    return stdout;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw missing ? new Error('perf is not installed (Debian: linux-perf)') : error;
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exit(1);
  },
);
