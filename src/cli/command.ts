import { type ParseArgsConfig, parseArgs } from 'node:util';
import { closestWord } from '../config/closest-word.js';
import { type Config, type Flags, loadConfig } from '../config/load.js';
import { SETTINGS, type Setting } from '../config/settings.js';
import { describeUnknown, unknownVariables } from '../config/unknown-variables.js';
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
interface CommandLine<All extends Options = Options> {
  readonly positionals: readonly string[];
  readonly values: ValuesOf<All>;
}

/** The command line of a command that takes the settings too. */
export interface ConfiguredCommandLine<All extends Options = Options> extends CommandLine<All> {
  /** The settings, of flags and environment. */
  readonly config: Config;
}

/** What a command does. @returns the exit status; undefined while a server runs */
type Run<Line> = (line: Line) => Promise<number | undefined>;

/** A command of `hyperskeleton`: what its help says, how its command line is read, and what runs it. */
interface Command<All extends Options, Line> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What it takes besides options, as the usage line has it. */
  readonly operands?: string;
  /** How many of these there must be, or how few and how many there may be. */
  readonly operandCount?: number | readonly [least: number, most: number];
  /** Sentences for the help of this command alone. */
  readonly details?: string;
  readonly options: All;
  readonly exitStatus: readonly (readonly [status: string, meaning: string])[];
  readonly examples: readonly string[];
  /** Loaded only when it is called: the start of the server pays for nothing else. */
  readonly load: () => Promise<Run<Line>>;
}

/** A command without the types of its options. */
export interface AnyCommand extends Omit<Command<Options, never>, 'load'> {
  /** Whether it takes the flags of the settings too. */
  readonly takesSettings: boolean;
  readonly run: (argv: readonly string[]) => Promise<number | undefined>;
}

/** Declares a command. Its options' types are checked against what `load` returns. */
export function defineCommand<const All extends Options>(
  command: Command<All, CommandLine<All>>,
): AnyCommand {
  return {
    ...command,
    takesSettings: false,
    run: async (argv) => {
      const line = readCommandLine(command, argv, {});
      return typeof line === 'number' ? line : (await command.load())(line);
    },
  };
}

/** Declares a command that takes the settings, as flags or by the environment. */
export function defineConfiguredCommand<const All extends Options>(
  command: Command<All, ConfiguredCommandLine<All>>,
): AnyCommand {
  return {
    ...command,
    takesSettings: true,
    run: async (argv) => {
      const line = readCommandLine(command, argv, settingOptions());
      if (typeof line === 'number') return line;
      const config = loadConfig(settingFlags(line.values, command.options), process.env);
      if ('problems' in config) return reportUsageErrors(config.problems);
      // The server says it in its log: a container's streams belong to the action (C-SRV-03).
      if (command.name !== 'serve') reportUnknownVariables();
      return (await command.load())({ ...line, config });
    },
  };
}

type ParseOptions = NonNullable<ParseArgsConfig['options']>;

/**
 * Reads a command line: the command's own options, and further ones, whose values are among the others.
 *
 * @returns the exit status if it can't be understood; the reasons are on stderr then
 */
function readCommandLine<All extends Options>(
  {
    name,
    options,
    operands,
    operandCount = 0,
  }: Pick<Command<All, never>, 'name' | 'options' | 'operands' | 'operandCount'>,
  argv: readonly string[],
  further: ParseOptions,
): CommandLine<All> | number {
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...argv], options: { ...further, ...options }, allowPositionals: true });
  } catch (error) {
    return reportUsageErrors([describeParseError(error, { ...further, ...options })]);
  }
  const { values, positionals } = parsed;
  const [least, most] = typeof operandCount === 'number' ? [operandCount, operandCount] : operandCount;
  if (positionals.length < least || positionals.length > most)
    return reportUsageErrors([`${name} takes ${operands ?? 'no operands'}`]);
  return { positionals, values: values as ValuesOf<All> };
}

function reportUnknownVariables(): void {
  for (const unknown of unknownVariables(process.env))
    process.stderr.write(`hyperskeleton: ${describeUnknown(unknown)}\n`);
}

/** What parseArgs() says of an option that there is not, with the one that was probably meant. */
function describeParseError(error: unknown, options: ParseOptions): string {
  const message = messageOf(error);
  const name = /^Unknown option '--?([^']+)'/.exec(message)?.[1];
  if (name === undefined) return message;
  const meant = closestWord(name, Object.keys(options));
  return meant === undefined ? message : `there is no flag --${name}, did you mean --${meant}?`;
}

/** The values of the settings among those of a command line. */
function settingFlags(values: object, own: Options): Flags {
  const flags = Object.entries(values)
    .filter(([flag]) => !Object.hasOwn(own, flag))
    .map(([flag, value]) => [flag, Array.isArray(value) ? value.join(',') : value]);
  return Object.fromEntries(flags) as Flags;
}

function settingOptions(): ParseOptions {
  return Object.fromEntries(
    Object.values<Setting<unknown>>(SETTINGS).map(({ flag, kind }) => [
      flag,
      { type: 'string', multiple: kind.isList === true },
    ]),
  );
}

/** Writes what is wrong with a command line to stderr. @returns the exit status */
export function reportUsageErrors(problems: readonly string[]): number {
  for (const problem of problems) process.stderr.write(`hyperskeleton: ${problem}\n`);
  process.stderr.write('hyperskeleton --help tells what can be set.\n');
  return USAGE_STATUS;
}
