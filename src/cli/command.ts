import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type Config, type Flags, loadConfig } from '../config/load.js';
import { SETTINGS, type Setting } from '../config/settings.js';
import { messageOf } from '../protocol/message-of.js';

/** The exit status if a command line can't be understood. */
const USAGE_STATUS = 2;

/** One option of a command, as parseArgs() of node:util takes it, and its line of help. */
export interface Option {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
  readonly short?: string;
  readonly default?: string | boolean;
  /** What stands for the value in the help. */
  readonly value?: string;
  readonly help: string;
}

type Options = Readonly<Record<string, Option>>;

type ValueOf<One extends Option> = One['type'] extends 'boolean'
  ? boolean
  : One extends { readonly multiple: true }
    ? string[]
    : string;

/** The values of options: undefined if one is not given and has no default. */
type ValuesOf<All extends Options> = {
  readonly [Name in keyof All]: All[Name] extends { readonly default: string | boolean }
    ? ValueOf<All[Name]>
    : ValueOf<All[Name]> | undefined;
};

/** A command line as it was read. */
export interface CommandLine<All extends Options = Options> {
  /** The settings, of flags and environment. */
  readonly config: Config;
  readonly positionals: readonly string[];
  readonly values: ValuesOf<All>;
}

/** What a command does. @returns the exit status; undefined while a server runs */
type Run<All extends Options> = (line: CommandLine<All>) => Promise<number | undefined>;

/** A command of `hyperskeleton`: what its help says, how its command line is read, and what runs it. */
interface Command<All extends Options = Options> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What it takes besides options, as the usage line has it. */
  readonly operands?: string;
  /** How many of these there must be. */
  readonly operandCount?: number;
  /** Sentences for the help of this command alone. */
  readonly details?: string;
  readonly options: All;
  /** Whether it takes the flags of the settings too. */
  readonly takesSettings: boolean;
  readonly exitStatus: readonly (readonly [status: string, meaning: string])[];
  readonly examples: readonly string[];
  /** Loaded only when it is called: the start of the server pays for nothing else. */
  readonly load: () => Promise<Run<All>>;
}

/** A command without the types of its options. */
export interface AnyCommand extends Omit<Command, 'load'> {
  readonly run: (argv: readonly string[]) => Promise<number | undefined>;
}

/** Declares a command. Its options' types are checked against what `load` returns. */
export function defineCommand<const All extends Options>(command: Command<All>): AnyCommand {
  return {
    ...command,
    run: async (argv) => {
      const line = readCommandLine(command, argv);
      return typeof line === 'number' ? line : (await command.load())(line);
    },
  };
}

/**
 * Reads a command line: the command's own options, and the flags of the settings if it takes them.
 *
 * @returns the exit status if it can't be understood; the reasons are on stderr then
 */
function readCommandLine<All extends Options>(
  { name, options, operands, operandCount = 0, takesSettings }: Command<All>,
  argv: readonly string[],
): CommandLine<All> | number {
  let parsed: ReturnType<typeof parseArgs>;
  const allowed: NonNullable<ParseArgsConfig['options']> = {
    ...(takesSettings ? settingOptions() : {}),
    ...options,
  };
  try {
    parsed = parseArgs({ args: [...argv], options: allowed, allowPositionals: true });
  } catch (error) {
    return reportUsageErrors([messageOf(error)]);
  }
  const { values, positionals } = parsed;
  if (positionals.length !== operandCount) {
    return reportUsageErrors([`${name} takes ${operands ?? 'no operands'}`]);
  }
  const flags = Object.fromEntries(
    Object.entries(takesSettings ? values : {})
      .filter(([flag]) => !Object.hasOwn(options, flag))
      .map(([flag, value]) => [flag, Array.isArray(value) ? value.join(',') : value]),
  );
  const config = loadConfig(flags as Flags, process.env);
  if ('problems' in config) return reportUsageErrors(config.problems);
  return { config, positionals, values: values as ValuesOf<All> };
}

function settingOptions(): NonNullable<ParseArgsConfig['options']> {
  return Object.fromEntries(
    Object.values(SETTINGS).map(({ flag, kind }) => [flag, { type: 'string', multiple: isList(kind) }]),
  );
}

/** Whether the flag may be repeated. */
function isList(kind: Setting['kind']): boolean {
  return kind.type === 'hosts' || kind.type === 'origins';
}

/** Writes what is wrong with a command line to stderr. @returns the exit status */
export function reportUsageErrors(problems: readonly string[]): number {
  for (const problem of problems) process.stderr.write(`hyperskeleton: ${problem}\n`);
  process.stderr.write('hyperskeleton --help tells what can be set.\n');
  return USAGE_STATUS;
}
