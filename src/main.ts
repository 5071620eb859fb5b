import { type AnyCommand, reportUsageErrors } from './cli/command.js';
import { commandsOf } from './cli/commands.js';
import { translateGoProxyFlags } from './cli/go-proxy-flags.js';
import { suggestion } from './config/closest-word.js';
import { version } from './config/version.js';
import { messageOf } from './protocol/message-of.js';

/** The package's folder, seen from dist/src and from dist/server. */
const COMMANDS = commandsOf(new URL('../../', import.meta.url));
/** Prints its own help: its flags are the harness's. */
const BENCH = 'bench';

async function main(given: readonly string[]): Promise<number | undefined> {
  if (given.length === 0) return help(undefined);
  const argv = translateGoProxyFlags(given, process.env);
  const [first] = argv;
  if (first === '--version' || first === '-v') return print(`${version()}\n`);
  const isHelp = first === 'help';
  const [name, rest] = isHelp || isName(first) ? [first as string, argv.slice(1)] : ['serve', argv];
  if (isHelp) return help(rest[0]);
  if (name !== BENCH && (argv.includes('--help') || argv.includes('-h')))
    return help(isName(first) ? name : undefined);
  const command = named(name);
  return command === undefined ? unknownCommand(name) : command.run(rest);
}

function isName(word: string | undefined): boolean {
  return word !== undefined && !word.startsWith('-');
}

function named(name: string): AnyCommand | undefined {
  return COMMANDS.find((command) => command.name === name);
}

function unknownCommand(name: string): number {
  const names = COMMANDS.map((command) => command.name);
  return reportUsageErrors([`there is no command ${name}${suggestion(name, names)}`]);
}

/** The help of one command, or of all. @returns the exit status */
async function help(name: string | undefined): Promise<number> {
  const command = name === undefined ? undefined : named(name);
  if (name !== undefined && command === undefined) return unknownCommand(name);
  if (command?.name === BENCH) return (await command.run(['--help'])) ?? 0;
  const { commandHelp, helpText } = await import('./cli/help.js');
  return print(command === undefined ? helpText(COMMANDS) : commandHelp(command));
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

main(process.argv.slice(2)).then(
  (status) => {
    if (status !== undefined) process.exitCode = status;
  },
  async (error: unknown) => {
    process.stderr.write(`hyperskeleton: ${messageOf(error)}\n`);
    const { pinNativeLibrary } = await import('./os/native-library.js');
    await pinNativeLibrary();
    process.exit(1);
  },
);
