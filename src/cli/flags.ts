import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type Config, type Flags, loadConfig } from '../config/load.js';
import { SETTINGS, type Setting } from '../config/settings.js';

/** The status of a command line that can't be understood. */
export const USAGE_STATUS = 2;

/** Options of a command besides the settings. */
export type OwnOptions = NonNullable<ParseArgsConfig['options']>;

/** A command line as it was read. */
export interface CommandLine {
  readonly config: Config;
  readonly positionals: readonly string[];
  /** The command's own options. */
  readonly values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
}

/**
 * Reads a command line: the flags of the settings, and the command's own options.
 *
 * @returns the status to end with, when it can't be understood; the reasons are on stderr then
 */
export function readCommandLine(argv: readonly string[], own: OwnOptions): CommandLine | number {
  const settings = Object.fromEntries(
    Object.values(SETTINGS).map(({ flag, kind }) => [
      flag,
      { type: 'string' as const, multiple: isList(kind) },
    ]),
  );
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...argv], options: { ...settings, ...own }, allowPositionals: true });
  } catch (error) {
    return complain([error instanceof Error ? error.message : String(error)]);
  }
  const { values, positionals } = parsed;
  const flags = Object.fromEntries(
    Object.entries(values).map(([flag, value]) => [flag, Array.isArray(value) ? value.join(',') : value]),
  );
  const config = loadConfig(flags as Flags, process.env);
  return 'problems' in config ? complain(config.problems) : { config, positionals, values };
}

/** Whether the flag may be repeated. */
function isList(kind: Setting['kind']): boolean {
  return kind.type === 'hosts' || kind.type === 'origins';
}

/** Tells what is wrong with a command line. @returns the status to end with */
export function complain(problems: readonly string[]): number {
  for (const problem of problems) process.stderr.write(`hyperskeleton: ${problem}\n`);
  process.stderr.write('hyperskeleton --help tells what can be set.\n');
  return USAGE_STATUS;
}
