import { parseArgs } from 'node:util';
import { helpText } from './cli/help.js';
import { type Flags, loadConfig } from './config/load.js';
import { SETTINGS } from './config/settings.js';
import { version } from './config/version.js';

const USAGE_STATUS = 2;
/** The package's folder, seen from dist/src and from dist/server. */
const HOME = new URL('../../', import.meta.url);

/** Commands with flags of their own, loaded when they are asked for; each answers the exit status. */
const COMMANDS = new Map([['bench', async () => (await import('./cli/bench.js')).bench]]);

/** Runs the command line and answers the exit status, or nothing while a server runs. */
async function main(argv: string[]): Promise<number | undefined> {
  const command = await COMMANDS.get(argv[0] ?? '')?.();
  if (command !== undefined) return command(argv.slice(1), HOME);
  const options = Object.fromEntries(
    Object.values(SETTINGS).map(({ flag }) => [flag, { type: 'string' as const }]),
  );
  let parsed: { values: Record<string, string | boolean | undefined>; positionals: string[] };
  try {
    parsed = parseArgs({
      args: argv,
      options: { ...options, help: { type: 'boolean' }, version: { type: 'boolean' } },
      allowPositionals: true,
    });
  } catch (error) {
    return complain([error instanceof Error ? error.message : String(error)]);
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    process.stdout.write(helpText());
    return 0;
  }
  if (values.version === true) {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const [asked = 'serve', ...rest] = positionals;
  if (asked !== 'serve' || rest.length > 0) return complain([`there is no command ${positionals.join(' ')}`]);
  const config = loadConfig(values as Flags, process.env);
  if ('problems' in config) return complain(config.problems);
  const { serve } = await import('./cli/serve.js');
  await serve(config);
  return undefined;
}

function complain(problems: readonly string[]): number {
  for (const problem of problems) process.stderr.write(`hyperskeleton: ${problem}\n`);
  process.stderr.write('hyperskeleton --help tells what can be set.\n');
  return USAGE_STATUS;
}

main(process.argv.slice(2)).then(
  (status) => {
    if (status !== undefined) process.exitCode = status;
  },
  (error: unknown) => {
    process.stderr.write(`hyperskeleton: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
