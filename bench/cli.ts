/** The parts of `hyperskeleton bench`; each is only loaded when it is asked for. */
const COMMANDS = new Map([['run', async () => (await import('./run/command.js')).runCommand]]);

const USAGE_STATUS = 2;

/** `hyperskeleton bench [run] …`; answers the exit status. */
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
