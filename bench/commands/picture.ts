import { parseArgs } from 'node:util';
import { readmePicture } from '../report/picture.js';
import { readReport } from '../report/read.js';
import { writeWhole } from '../report/write.js';
import { type CommandIo, onlyOperand, runCommand, UsageError } from './command.js';

const USAGE = `Draws what matters most of a run as one SVG for a README.

usage: hyperskeleton bench picture <report.json> -o FILE [options]
  -o, --out FILE     where the SVG goes
  --scenario ID      which scenario (default: the first that has both loads)
  --targets IDS      only these, separated by commas (default: all that have numbers)
  --connections N    of the rate (default 32); the latency is that of 1 connection
`;

/** `hyperskeleton bench picture`: exit code 0, or 2 where the file is no report or has not what is to be drawn. */
export function run(argv: readonly string[], io: CommandIo): Promise<number> {
  return runCommand(argv, io, USAGE, async () => {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        out: { type: 'string', short: 'o' },
        scenario: { type: 'string' },
        targets: { type: 'string' },
        connections: { type: 'string', default: '32' },
      },
    });
    const path = onlyOperand(positionals, 'report.json');
    if (values.out === undefined) throw new UsageError('-o: a file is needed');
    const connections = Number(values.connections);
    if (!Number.isInteger(connections) || connections < 1)
      throw new UsageError(`--connections: ${values.connections} is not a positive integer`);
    const svg = readmePicture(await readReport(path), {
      scenario: values.scenario,
      targets: values.targets?.split(',').map((id) => id.trim()),
      connections,
    });
    await writeWhole(values.out, svg);
    io.stdout.write(`${values.out}\n`);
    return 0;
  });
}
