import { parseArgs } from 'node:util';
import type { BenchReport } from '../report/schema.js';
import { FORMATS, type Format } from '../report/write.js';
import type { ScenarioDefinition } from '../scenarios/definition.js';
import { SCENARIOS } from '../scenarios/index.js';
import { commandTarget, urlTarget } from '../targets/custom.js';
import type { TargetDefinition } from '../targets/definition.js';
import { TARGETS } from '../targets/index.js';
import { defaultFolder } from './default-folder.js';

/** What to measure, and how long. */
export interface RunOptions {
  readonly profile: BenchReport['profile'];
  readonly targets: readonly TargetDefinition[];
  readonly scenarios: readonly ScenarioDefinition[];
  readonly connections: readonly number[];
  /** Undefined: as many as fit the profile's time. */
  readonly rounds: number | undefined;
  readonly seconds: number | undefined;
  readonly baseline: string | undefined;
  readonly p99LimitUs: number;
  readonly formats: readonly Format[];
  readonly out: string;
  readonly commandLine: readonly string[];
}

const CONNECTIONS = { quick: [1, 32], default: [1, 32], full: [1, 8, 32, 128] } as const;
const DEFAULT_P99_LIMIT_MS = '50';

/** The text of `hyperskeleton bench --help`. */
export function usage(): string {
  const names = (entries: readonly { id: string }[]): string => entries.map(({ id }) => id).join(', ');
  return `Measures runtimes of the contract side by side and writes a report.

usage: hyperskeleton bench [run] [flags]
       hyperskeleton bench compare | trend | render | picture | publish --help

  --quick              under a minute
  --full               everything; about an hour and a half (the default: under ten minutes)
  --targets IDS        only these, separated by commas (none: only --url and --command):
                       ${names(TARGETS)}
  --scenarios IDS      only these:
                       ${names(SCENARIOS)}
  --connections N,N    of the closed loops (default 1,32; with --full 1,8,32,128)
  --rounds N           how often each is measured, in turn with the others
  --seconds S          how long a round lasts
  --baseline ID        what the others are compared with (default: dockerskeleton, where it is)
  --url URL            measures also what runs there; can be repeated
  --command CMD        measures also what this starts; {port} and {actionRoot} are replaced; can be repeated
  --protocol P         of --url and --command: classic (default) or actionloop
  --p99-limit MS       of the capacity search (default ${DEFAULT_P99_LIMIT_MS})
  --report FORMATS     of ${FORMATS.join(', ')} (default: html,md,json)
  --out DIR            where the report goes
  --list               names targets, whether they are here, and scenarios
  --help               this text

Exit status: 0; 1 when a target that is no peer failed; 2 for a wrong command line; 130 when interrupted.
`;
}

/** What the command line asks for besides a run. */
type Request = { readonly show: 'help' | 'list' } | RunOptions;

/**
 * Reads the command line.
 *
 * @throws RangeError or TypeError with a message for the person who typed it
 */
export function readOptions(argv: readonly string[], now = new Date()): Request {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: 'boolean', default: false },
      full: { type: 'boolean', default: false },
      targets: { type: 'string' },
      scenarios: { type: 'string' },
      connections: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      baseline: { type: 'string' },
      url: { type: 'string', multiple: true, default: [] },
      command: { type: 'string', multiple: true, default: [] },
      protocol: { type: 'string', default: 'classic' },
      'p99-limit': { type: 'string', default: DEFAULT_P99_LIMIT_MS },
      report: { type: 'string', default: 'html,md,json' },
      out: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return { show: 'help' };
  if (values.list) return { show: 'list' };
  if (values.quick && values.full) throw new RangeError('--quick and --full exclude each other');
  const profile = values.quick ? 'quick' : values.full ? 'full' : 'default';
  const custom = customTargets(values.url, values.command, values.protocol);
  const named =
    values.targets === undefined
      ? TARGETS.filter((target) => profile !== 'quick' || target.quick)
      : values.targets === 'none'
        ? []
        : pick('--targets', values.targets, TARGETS);
  const targets = [...custom, ...named];
  if (values.baseline !== undefined && !targets.some(({ id }) => id === values.baseline)) {
    throw new RangeError(`--baseline: ${values.baseline} is not among the targets of this run`);
  }
  return {
    profile,
    targets,
    scenarios:
      values.scenarios === undefined
        ? SCENARIOS.filter((scenario) => isIn(scenario.profile, profile))
        : pick('--scenarios', values.scenarios, SCENARIOS),
    connections:
      values.connections?.split(',').map((text) => positive('--connections', text, Number.isInteger)) ??
      CONNECTIONS[profile],
    rounds: optional('--rounds', values.rounds, Number.isInteger),
    seconds: optional('--seconds', values.seconds, Number.isFinite),
    baseline: values.baseline,
    p99LimitUs: positive('--p99-limit', values['p99-limit'], Number.isFinite) * 1000,
    formats: formats(values.report),
    out: values.out ?? defaultFolder(now),
    commandLine: ['hyperskeleton', 'bench', ...argv],
  };
}

function customTargets(
  urls: readonly string[],
  commands: readonly string[],
  protocol: string,
): TargetDefinition[] {
  if (protocol !== 'classic' && protocol !== 'actionloop') {
    throw new RangeError(`--protocol: ${protocol} is neither classic nor actionloop`);
  }
  const number = (index: number, all: readonly string[]): string => (all.length > 1 ? `-${index + 1}` : '');
  for (const url of urls) {
    if (!URL.canParse(url) || new URL(url).protocol !== 'http:') {
      throw new RangeError(`--url: ${url} is no http:// address`);
    }
  }
  return [
    ...urls.map((url, index) => urlTarget(url, `url${number(index, urls)}`, protocol)),
    ...commands.map((text, index) => commandTarget(text, `command${number(index, commands)}`, protocol)),
  ];
}

function isIn(least: ScenarioDefinition['profile'], profile: RunOptions['profile']): boolean {
  const order = ['quick', 'default', 'full'];
  return order.indexOf(least) <= order.indexOf(profile);
}

function pick<T extends { readonly id: string }>(flag: string, text: string, all: readonly T[]): T[] {
  const ids = text.split(',').map((id) => id.trim());
  const unknown = ids.filter((id) => !all.some((one) => one.id === id));
  if (unknown.length > 0) {
    throw new RangeError(
      `${flag}: there is no ${unknown.join(', ')}; there are ${all.map(({ id }) => id).join(', ')}`,
    );
  }
  return all.filter(({ id }) => ids.includes(id));
}

function formats(text: string): Format[] {
  const asked = text.split(',').map((one) => one.trim());
  const known = FORMATS.filter((format) => asked.includes(format));
  if (known.length < asked.length)
    throw new RangeError(`--report: ${text} is not made of ${FORMATS.join(', ')}`);
  return known;
}

function optional(
  flag: string,
  text: string | undefined,
  accepts: (value: number) => boolean,
): number | undefined {
  return text === undefined ? undefined : positive(flag, text, accepts);
}

function positive(flag: string, text: string, accepts: (value: number) => boolean): number {
  const value = Number(text);
  if (text.trim() === '' || !accepts(value) || value <= 0) {
    throw new RangeError(`${flag}: ${text} is not a positive number`);
  }
  return value;
}
