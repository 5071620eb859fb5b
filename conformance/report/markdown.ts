import { PROTOCOLS } from '../case.js';
import { type CaseResult, countsOf, type RunReport, wordFor } from './result.js';

const REASON_CHARACTERS = 240;

const HEAD = `# Conformance

Made from results of runs (\`--json\`), of this project in [conformance/](conformance), by \`npm run docs:conformance\`.

The suite tests any runtime of the contract ([contract.md](contract.md)) from outside, as a platform sees it:

\`\`\`sh
npm run conformance -- --start 'exec bin/hyperskeleton serve --port {port} --action-root {actionRoot}'
npm run conformance -- --target http://127.0.0.1:8080
\`\`\`

\`--start\` is shell text. Each server of the suite is started by it, with a free port for \`{port}\` and a fresh folder for
\`{actionRoot}\`; it should \`exec\` the server, so that signals reach it. With \`--target\` the server is one that runs
already; it may not have had its init, and what needs a fresh server, its logs or its environment is skipped.

| option | what |
|---|---|
| \`--protocol\` | \`classic\` (the default), \`actionloop\` or \`knative\` |
| \`--only\` | rules or their beginnings, separated by commas: \`C-RUN-16,C-LOG\` |
| \`--env NAME=value\` | a variable for every server that is started; may be repeated |
| \`--timeout-ms\` | how long one case may take, 30000 by default |
| \`--version NAME=text\` | a version that the reports show beside the target's name; may be repeated |
| \`--name\` | what the target is called in the reports |
| \`--json file\`, \`--markdown file\` | write the result there |
| \`--from file\` | report on results of \`--json\` instead of running; may be repeated |

The exit status is 0 where no case failed, 1 where one did, 2 where the command is wrong.

## This server, with each engine

\`npm test\` holds it to the suite with \`forkserver\` and with \`posix_spawn\`; \`npm run conformance:engines\` does so with every
engine ([engines.md](../internals/engines.md)) and protocol, in some minutes, and makes sure by the server's own log that the engine
asked for is the one that started the processes. With \`HYPERSKELETON_CONFORMANCE_RESULTS=docs/reference/conformance\` it also writes
the results that this page is made from. \`clones\` says how many processes were clones; the others had strings that are too
long for a template. What \`child_process\` fails is Node's way of starting processes: it makes sockets of the streams, and
passes on descriptors that the server has inherited, of which the suite gives it one.

## Results

\`differs\` is a case that fails where the contract is better than Apache OpenWhisk's own runtimes on purpose: they are known
to break it. \`failed\` is one that fails where they are kept to. \`–\` was skipped; the reason is in the JSON.
`;

/** A page on one or more runs: who was tested, then for each protocol a table of rules with a column a run. */
export function markdownOf(reports: readonly RunReport[]): string {
  const protocols = PROTOCOLS.filter((name) => reports.some(({ protocol }) => protocol === name));
  const sections = protocols.map((protocol) => {
    const runs = reports.filter((report) => report.protocol === protocol);
    return [
      `## ${protocol}`,
      '',
      row(['target', 'date', 'versions', 'passed', 'failed', 'differs', 'skipped']),
      rule(7),
      ...runs.map(runRow),
      '',
      row(['rule', 'case', ...runs.map(({ target }) => target)]),
      rule(2 + runs.length),
      ...caseRows(runs),
      '',
      ...runs.flatMap(failures),
    ].join('\n');
  });
  return [HEAD, ...sections].join('\n');
}

function runRow(report: RunReport): string {
  const { passed, failed, differs, skipped } = countsOf(report.cases);
  const versions = Object.entries(report.versions).map(([name, version]) => `${name} ${version}`);
  return row([
    report.target,
    report.startedAt.slice(0, 10),
    versions.join(', '),
    ...[passed, failed - differs, differs, skipped].map(String),
  ]);
}

function caseRows(runs: readonly RunReport[]): string[] {
  const key = ({ rule, title }: CaseResult): string => `${rule} ${title}`;
  const columns = runs.map(({ cases }) => new Map(cases.map((one) => [key(one), one])));
  const all = new Map(runs.flatMap(({ cases }) => cases.map((one) => [key(one), one] as const)));
  return [...all.values()].map((one) =>
    row([one.rule, one.title, ...columns.map((column) => cell(column.get(key(one))))]),
  );
}

/** What was expected and what came, for what no runtime should do. */
function failures({ target, cases }: RunReport): string[] {
  const failed = cases.filter((one) => wordFor(one) === 'failed');
  const lines = failed.map(({ rule, title, reason = '' }) => `- ${rule}, ${title}: \`${plain(reason)}\``);
  return failed.length === 0 ? [] : [`Failures of ${target}:`, '', ...lines, ''];
}

function plain(reason: string): string {
  const text = reason.replaceAll('`', "'").replaceAll('\n', ' ');
  return text.length > REASON_CHARACTERS ? `${text.slice(0, REASON_CHARACTERS)}…` : text;
}

function cell(one: CaseResult | undefined): string {
  return one === undefined || one.result === 'skipped' ? '–' : wordFor(one);
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}

function rule(cells: number): string {
  return `|${'---|'.repeat(cells)}`;
}
