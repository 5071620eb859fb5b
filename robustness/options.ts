import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PROJECT } from '../bench/support/paths.js';
import { PROTOCOLS, type Protocol } from '../conformance/case.js';
import { messageOf } from '../src/protocol/message-of.js';
import { FINDING_KINDS } from './findings.js';

const ENGINES = ['forkserver', 'posix_spawn', 'child_process'] as const;
const FRONT_ENDS = ['uws', 'node'] as const;
const DEFAULT_MINUTES = 1;
const MAX_SEED = 2 ** 31;

/** A command line that can't be obeyed; the exit status is 2. */
export class UsageError extends Error {}

/** What the command line asks for. */
export interface Options {
  readonly help: boolean;
  readonly minutes: number;
  readonly seed: number;
  /** How many rounds of a soak a server gets at least, however long they take. */
  readonly rounds: number;
  readonly protocols: readonly Protocol[];
  readonly engines: readonly string[];
  /** HTTP front ends; only the fuzzer has a use for both. */
  readonly frontEnds: readonly (typeof FRONT_ENDS)[number][];
  /** Parts of the tool, by name; empty means all. */
  readonly only: readonly string[];
  /** Kinds of findings that are listed and do not fail the tool. */
  readonly except: ReadonlySet<string>;
  readonly findingsFolder: string;
  readonly out?: string;
  readonly replay?: string;
  /** Shell text that starts another server than this project's. */
  readonly start?: string;
}

export function usageOf(tool: string, parts: readonly string[]): string {
  return `usage: npm run ${tool} -- [options]

  --minutes N        how long; default ${DEFAULT_MINUTES}
  --seed S           a whole number; the same seed makes the same requests and faults; default: a random one
  --rounds N         soak: at least so many rounds on a server, however long they take; default 1
  --protocol LIST    ${PROTOCOLS.join(', ')}; default all
  --engine LIST      ${ENGINES.join(', ')}; default all
  --http LIST        fuzz: ${FRONT_ENDS.join(', ')}; default all
  --only LIST        parts of the tool: ${parts.join(', ')}; default all
  --except LIST      kinds of findings that do not make the exit status 1
  --findings FOLDER  where files that reproduce findings go; default robustness/findings
  --replay FILE      send what such a file holds, and nothing else
  --out FILE         write the report as JSON
  --start COMMAND    test another server: shell text with {port} and {actionRoot}

exit status: 0 nothing found, 1 findings, 2 the command is wrong
`;
}

/**
 * Reads the command line.
 *
 * @param parts the names that --only takes
 * @throws UsageError if it makes no sense
 */
export function readOptions(args: readonly string[], parts: readonly string[]): Options {
  const { values } = parse(args);
  const minutes = Number(values.minutes ?? DEFAULT_MINUTES);
  if (!(minutes > 0)) throw new UsageError('--minutes is a number above 0');
  const seed = Number(values.seed ?? randomInt(MAX_SEED));
  if (!Number.isSafeInteger(seed) || seed < 0) throw new UsageError('--seed is a whole number');
  const rounds = Number(values.rounds ?? 1);
  if (!Number.isInteger(rounds) || rounds < 1) throw new UsageError('--rounds is a whole number above 0');
  return {
    rounds,
    help: values.help ?? false,
    minutes,
    seed,
    protocols: listOf('--protocol', values.protocol, PROTOCOLS) as Protocol[],
    engines: listOf('--engine', values.engine, ENGINES),
    frontEnds: listOf('--http', values.http, FRONT_ENDS) as (typeof FRONT_ENDS)[number][],
    only: values.only === undefined ? [] : listOf('--only', values.only, parts),
    except: new Set(
      values.except === undefined ? [] : listOf('--except', values.except, Object.keys(FINDING_KINDS)),
    ),
    findingsFolder: values.findings ?? join(PROJECT, 'robustness/findings'),
    ...(values.out === undefined ? {} : { out: values.out }),
    ...(values.replay === undefined ? {} : { replay: values.replay }),
    ...(values.start === undefined ? {} : { start: values.start }),
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        minutes: text,
        seed: text,
        rounds: text,
        protocol: text,
        engine: text,
        http: text,
        only: text,
        except: text,
        findings: text,
        replay: text,
        out: text,
        start: text,
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

function listOf(option: string, text: string | undefined, allowed: readonly string[]): string[] {
  if (text === undefined) return [...allowed];
  const names = text.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !allowed.includes(name));
  if (unknown !== undefined || names.length === 0)
    throw new UsageError(`${option} takes ${allowed.join(', ')}, not ${unknown ?? 'nothing'}`);
  return names;
}
