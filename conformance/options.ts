import { parseArgs } from 'node:util';
import { messageOf } from '../src/protocol/message-of.js';
import { PROTOCOLS, type Protocol } from './case.js';
import type { Target } from './target/serial-cases.js';

const DEFAULT_TIMEOUT_MS = 30_000;

/** A command line that can't be obeyed; the exit status is 2. */
export class UsageError extends Error {}

/** What the command line asks for. */
export interface Options {
  readonly help: boolean;
  /** Undefined where earlier results are reported on. */
  readonly target?: Target;
  readonly name: string;
  readonly protocol: Protocol;
  /** Rules or their beginnings; empty means all. */
  readonly only: readonly string[];
  readonly json?: string;
  readonly markdown?: string;
  readonly from: readonly string[];
  /** Versions of what is tested, as the caller knows them. */
  readonly versions: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export const USAGE = `usage: npm run conformance -- (--start COMMAND | --target URL | --from FILE...) [options]

  --start COMMAND     shell text that starts a server; {port} and {actionRoot} are filled in
  --target URL        a server that runs already, http://host:port
  --from FILE         report on results of --json instead of running; may be repeated
  --protocol NAME     ${PROTOCOLS.join(', ')}; default classic
  --only LIST         rules or their beginnings, separated by commas: C-RUN-16,C-LOG
  --env NAME=value    a variable for the servers that are started; may be repeated
  --timeout-ms N      how long one case may take; default ${DEFAULT_TIMEOUT_MS}
  --name TEXT         what the target is called in reports
  --version NAME=text a version to go with the name; may be repeated
  --json FILE         write the results as JSON
  --markdown FILE     write the results as Markdown

exit status: 0 no case failed, 1 one failed, 2 the command is wrong
`;

/** Reads the command line; throws {@link UsageError} where it makes no sense. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parse(args);
  const protocol = PROTOCOLS.find((name) => name === (values.protocol ?? 'classic'));
  if (protocol === undefined) throw new UsageError(`--protocol is one of ${PROTOCOLS.join(', ')}`);
  const timeoutMs = Number(values['timeout-ms'] ?? DEFAULT_TIMEOUT_MS);
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1)
    throw new UsageError('--timeout-ms is a number of milliseconds');
  const from = values.from ?? [];
  const ways = [values.start !== undefined, values.target !== undefined, from.length > 0];
  const help = values.help ?? false;
  if (!help && ways.filter(Boolean).length !== 1)
    throw new UsageError('one of --start, --target and --from is needed');
  if (from.length > 0 && values.markdown === undefined) throw new UsageError('--from needs --markdown');

  const env = pairs('--env', values.env ?? []);
  if (values.start === undefined && (values.env ?? []).length > 0)
    throw new UsageError('--env needs --start: the variables are for servers that are started');
  return {
    help,
    protocol,
    timeoutMs,
    from,
    name: values.name ?? values.start ?? values.target ?? '',
    versions: pairs('--version', values.version ?? []),
    only: (values.only ?? '').split(',').filter((rule) => rule !== ''),
    ...(values.json === undefined ? {} : { json: values.json }),
    ...(values.markdown === undefined ? {} : { markdown: values.markdown }),
    ...(values.start === undefined
      ? {}
      : { target: { protocol, command: { template: template(values.start), env, protocol } } }),
    ...(values.target === undefined ? {} : { target: { protocol, address: address(values.target) } }),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        start: { type: 'string' },
        target: { type: 'string' },
        from: { type: 'string', multiple: true },
        protocol: { type: 'string' },
        only: { type: 'string' },
        env: { type: 'string', multiple: true },
        'timeout-ms': { type: 'string' },
        name: { type: 'string' },
        version: { type: 'string', multiple: true },
        json: { type: 'string' },
        markdown: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

function template(text: string): string {
  if (!text.includes('{port}')) throw new UsageError('--start needs {port}');
  return text;
}

function pairs(option: string, entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const equals = entry.indexOf('=');
      if (equals < 1) throw new UsageError(`${option} takes NAME=value, not ${entry}`);
      return [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}

function address(text: string): { host: string; port: number } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' || url.pathname !== '/')
    throw new UsageError('--target is like http://127.0.0.1:8080');
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) };
}
