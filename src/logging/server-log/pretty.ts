/** Names and colours (ECMA-48) of pino's levels. */
const LEVELS: Readonly<Record<number, readonly [name: string, colour: number]>> = {
  10: ['TRACE', 90],
  20: ['DEBUG', 36],
  30: ['INFO', 32],
  40: ['WARN', 33],
  50: ['ERROR', 31],
  60: ['FATAL', 35],
};

/** A record of the log, as pino writes it. */
interface LogRecord {
  readonly level: number;
  readonly time: number;
  readonly msg?: string;
  readonly err?: { readonly message?: string; readonly stack?: string };
  readonly [fact: string]: unknown;
}

/**
 * A record for people: `12:00:00.000 WARN  run failed code=run_timeout …`, an error's stack below it.
 *
 * @param line one record as JSON
 */
export function prettyLine(line: string, coloured: boolean): string {
  const { level, time, msg = '', err, ...facts } = JSON.parse(line) as LogRecord;
  const [name, colour] = LEVELS[level] ?? [String(level), 0];
  const clock = new Date(time).toISOString().slice(11, 23);
  const head = coloured ? `\x1b[${colour}m${name.padEnd(5)}\x1b[0m` : name.padEnd(5);
  const reported = pairs(facts, '').map(
    ([key, value]) => ` ${coloured ? `\x1b[2m${key}=\x1b[0m` : `${key}=`}${value}`,
  );
  const stack =
    err === undefined ? '' : `\n  ${printable(err.stack ?? err.message ?? '').replaceAll('\n', '\n  ')}`;
  return `${clock} ${head} ${printable(msg)}${reported.join('')}${stack}\n`;
}

/** Facts as `key=value`; those inside others by their path. */
function pairs(facts: object, prefix: string): [key: string, value: string][] {
  return Object.entries(facts).flatMap(([key, value]): [string, string][] => {
    const path = `${prefix}${printable(key)}`;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return pairs(value, `${path}.`);
    return [[path, textOf(value)]];
  });
}

function textOf(value: unknown): string {
  if (typeof value === 'number') return String(Math.round(value * 1000) / 1000);
  if (typeof value === 'string' && /^[\w./:-]+$/.test(value)) return value;
  return printable(JSON.stringify(value) ?? '');
}

/** What came from outside must not steer the terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
