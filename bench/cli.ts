/** A part of the harness: reads its command line, answers the exit status. */
type Command = (argv: readonly string[]) => Promise<number>;
type ReportCommand = { run(argv: string[], io: NodeJS.Process): Promise<number> };

const onReports =
  (load: () => Promise<ReportCommand>): (() => Promise<Command>) =>
  async () => {
    const { run } = await load();
    return (argv) => run([...argv], process);
  };

/** Each is only loaded when it is asked for. */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['run', async () => (await import('./run/command.js')).runCommand],
  ['compare', onReports(() => import('./commands/compare.js'))],
  ['trend', onReports(() => import('./commands/trend.js'))],
  ['render', onReports(() => import('./commands/render.js'))],
  ['publish', onReports(() => import('./commands/publish.js'))],
  ['picture', onReports(() => import('./commands/picture.js'))],
]);

const USAGE_STATUS = 2;

/** `hyperskeleton bench [run] …`, `bench compare …` and the others; answers the exit status. */
export async function bench(argv: readonly string[]): Promise<number> {
  const [first] = argv;
  const named = first !== undefined && !first.startsWith('-');
  const load = COMMANDS.get(named ? first : 'run');
  if (load === undefined) {
    const known = [...COMMANDS.keys()].join(', ');
    process.stderr.write(`hyperskeleton bench: there is no ${first}; there are ${known}\n`);
    return USAGE_STATUS;
  }
  const command = await load();
  return command(named ? argv.slice(1) : argv);
}
