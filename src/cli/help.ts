import { describeDefault, SETTINGS, type Setting } from '../config/settings.js';
import type { AnyCommand, Option } from './command.js';

const LINE_WIDTH = 100;

/** The text of `hyperskeleton --help`: every command and every setting. */
export function helpText(commands: readonly AnyCommand[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return `hyperskeleton: any executable as an OpenWhisk action

Usage: hyperskeleton COMMAND [flags]

${commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}

  hyperskeleton help COMMAND    its options and examples
  hyperskeleton --version       print the version
  hyperskeleton --help          print this text

Flags of ${listOf(commands.filter(({ takesSettings }) => takesSettings).map(({ name }) => name))}; each can be set by an environment variable, the flag wins:
${Object.values(SETTINGS).map(settingHelp).join('\n')}
`;
}

/** The text of `hyperskeleton help COMMAND`. */
export function commandHelp(command: AnyCommand): string {
  const { name, summary, operands, details, takesSettings, options, exitStatus, examples } = command;
  const usage = ['hyperskeleton', name, ...(operands === undefined ? [] : [operands]), '[flags]'].join(' ');
  const flags = Object.entries(options).map(([flag, option]) => optionHelp(flag, option));
  const sections = [
    `${summary[0]?.toUpperCase()}${summary.slice(1)}.${details === undefined ? '' : `\n${wrapped(details)}`}`,
    `Usage: ${usage}`,
    ...(flags.length === 0 ? [] : [`Flags:\n${flags.join('\n')}`]),
    ...(takesSettings ? ['The flags of the settings: hyperskeleton --help'] : []),
    `Exit status:\n${exitStatus.map(([status, meaning]) => `  ${status}  ${meaning}`).join('\n')}`,
    `Examples:\n${examples.map((example) => `  ${example}`).join('\n')}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

function optionHelp(flag: string, { short, value, help, default: fallback }: Option): string {
  const names = `${short === undefined ? '' : `-${short}, `}--${flag}${value === undefined ? '' : ` ${value}`}`;
  const note = typeof fallback === 'string' ? ` (default: ${fallback})` : '';
  return `  ${names}\n      ${help}${note}`;
}

function settingHelp(setting: Setting<unknown>): string {
  const { allowed } = setting.kind;
  const facts = [
    `env ${setting.env.join(', ')}`,
    ...(allowed === undefined ? [] : [allowed]),
    `default: ${describeDefault(setting)}`,
  ];
  return `  --${setting.flag}\n      ${setting.sentence}\n      (${facts.join('; ')})`;
}

/** `a, b and c` */
function listOf(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

function wrapped(text: string): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) as string;
    if (line.length + 1 + word.length > LINE_WIDTH) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines.join('\n');
}
