import { complain } from './cli/flags.js';
import { asOurFlags } from './cli/peer-flags.js';
import { version } from './config/version.js';

/** Runs a command and answers the exit status, or nothing while a server runs. */
type Command = (argv: readonly string[]) => Promise<number | undefined>;

/** Each is imported only when it is called: a server's cold start pays for none but its own. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./cli/serve.js')).serveCommand,
  invoke: async () => (await import('./cli/invoke.js')).invokeCommand,
  pack: async () => (await import('./cli/pack.js')).packCommand,
  compile: async () => (await import('./cli/compile.js')).compileCommand,
  top: async () => (await import('./cli/top.js')).topCommand,
  doctor: async () => (await import('./cli/doctor.js')).doctorCommand,
  bench: async () => {
    const { bench } = await import('./cli/bench.js');
    return (argv) => bench(argv, HOME);
  },
};
/** Commands that tell their own flags. */
const HELP_THEMSELVES = new Set(['bench']);
/** The package's folder, seen from dist/src and from dist/server. */
const HOME = new URL('../../', import.meta.url);

async function main(given: readonly string[]): Promise<number | undefined> {
  const argv = asOurFlags(given, process.env);
  if (argv.includes('--help') && !HELP_THEMSELVES.has(argv[0] ?? '')) {
    const { helpText } = await import('./cli/help.js');
    process.stdout.write(helpText());
    return 0;
  }
  if (argv[0] === '--version') {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const named = argv[0] !== undefined && !argv[0].startsWith('-');
  const [name, rest] = named ? [argv[0] as string, argv.slice(1)] : ['serve', argv];
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return command === undefined ? complain([`there is no command ${name}`]) : (await command())(rest);
}

main(process.argv.slice(2)).then(
  (status) => {
    if (status !== undefined) process.exitCode = status;
  },
  async (error: unknown) => {
    process.stderr.write(`hyperskeleton: ${error instanceof Error ? error.message : String(error)}\n`);
    const { holdNativeLibrary } = await import('./process/native-library.js');
    await holdNativeLibrary();
    process.exit(1);
  },
);
