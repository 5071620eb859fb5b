import { INIT_WARNINGS } from '../action/init-warning.js';
import type { AnyCommand } from '../cli/command.js';
import { commandsOf } from '../cli/commands.js';
import { commandHelp } from '../cli/help.js';
import { describeDefault, SETTINGS, type Setting } from '../config/settings.js';
import { ERRORS, type ErrorRow } from '../protocol/errors.js';
import { RESULT_REASONS } from '../protocol/invalid-result.js';
import { metricsPage } from './metrics-page.js';

/** A page of docs/ that is made from the code's own tables. */
interface Page {
  readonly path: string;
  readonly text: string;
}

/** Every generated page; a test compares them with the files. */
export function generatedPages(): Page[] {
  return [
    { path: 'docs/reference/settings.md', text: configurationPage() },
    { path: 'docs/reference/cli.md', text: commandsPage() },
    { path: 'docs/reference/errors.md', text: errorsPage() },
    { path: 'docs/reference/metrics.md', text: metricsPage() },
  ];
}

function configurationPage(): string {
  const rows = Object.values(SETTINGS).map(settingRow).join('\n');
  return `# Configuration

Made from \`src/config/settings.ts\` by \`npm run docs\`.

A flag of \`hyperskeleton serve\` wins over the environment variables, of which the first that is set counts; one
that is empty counts as not set. Everything is checked at start: all faults are told at once, each with its source,
its value and what is allowed, and the server exits with status 2.

| flag | environment | allowed | default | what |
|---|---|---|---|---|
${rows}

The settings of the server itself (\`HYPERSKELETON_*\`) do not reach the action, nor does what npm adds (\`npm_*\`) where it has
started the server. Every other variable of the container does. Node itself reads \`NODE_*\` in the server too.
`;
}

function commandsPage(): string {
  const sections = commandsOf(new URL('file:///')).map(sectionOf).join('\n');
  return `# Command line

Made from \`src/cli/commands.ts\` by \`npm run docs\`. \`hyperskeleton help COMMAND\` prints the same, \`hyperskeleton --help\`
all settings ([settings.md](settings.md)).

${sections}`;
}

function sectionOf(command: AnyCommand): string {
  return `## ${command.name}\n\n\`\`\`text\n${commandHelp(command)}\`\`\`\n`;
}

function settingRow(setting: Setting<unknown>): string {
  const variables = setting.env.map((name) => `\`${name}\``).join(', ');
  const allowed = setting.kind.allowed ?? 'any text';
  const unit = setting.unit === undefined ? '' : ` ${setting.unit}`;
  return `| \`--${setting.flag}\` | ${variables} | ${allowed} | ${describeDefault(setting)}${unit} | ${setting.sentence} |`;
}

function errorsPage(): string {
  const rows = Object.entries<ErrorRow>(ERRORS)
    .map(([code, row]) => errorRow(code, row))
    .join('\n');
  return `# Error answers

Made from \`src/protocol/errors.ts\` by \`npm run docs\`.

Every error answer is \`{"error": text}\`. The headers \`X-Hyperskeleton-Cause\` and \`X-Hyperskeleton-Fault\` carry the
code and whose fault it is, as the log and the metric \`hyperskeleton_failures_total\` do. Where the fault is not the
action's, \`X-Hyperskeleton-Error\` carries the code too, so that nobody takes the answer for the action's. Where \`exec\` could not be started,
\`X-Hyperskeleton-Reason\` says in one word why: \`missing\`, \`dangling_link\`, \`folder\`, \`no_file\`, \`not_executable\`,
\`noexec_mount\`, \`not_permitted\`, \`too_large\`, \`wrong_architecture\`, \`loader_missing\`, \`interpreter_missing\`,
\`interpreter_refused\`, \`no_interpreter\`, \`crlf\`, \`empty\`, \`unknown_format\`, \`refused\`; the log has the sentence.
Where it ran and has no result, the header says why too, and \`hyperskeleton_result_failures_total\` counts it:
${wordsOf(RESULT_REASONS)}. The server's log has a sentence (\`explanation\`), and \`hyperskeleton invoke\` prints it; neither quotes
what the action has written. The activation's log stays the action's (C-RUN-18).

An init that the contract answers with 200 and that is probably a mistake has the header \`X-Hyperskeleton-Warning\`, a
warning in the server's log and a count in \`hyperskeleton_init_warnings_total\`; for \`hyperskeleton invoke\` it is an error:
${wordsOf(INIT_WARNINGS)}.

\`%s\` stands for the detail of the one case. "Sentinels" says whether the two lines that end an activation's log are
written; "outcome" is the label of \`hyperskeleton_activations_total\` and \`hyperskeleton_inits_total\`.

| code | status | error text | whose fault | outcome | sentinels | what it means |
|---|---|---|---|---|---|---|
${rows}
`;
}

function wordsOf(words: readonly string[]): string {
  return words.map((word) => `\`${word}\``).join(', ');
}

function errorRow(code: string, row: ErrorRow): string {
  const outcome = row.outcome === undefined ? '' : `\`${row.outcome}\``;
  return `| \`${code}\` | ${row.status} | ${row.text} | ${row.fault} | ${outcome} | ${row.sentinels ? 'yes' : 'no'} | ${row.meaning} |`;
}
