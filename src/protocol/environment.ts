import { decodeString } from './json-string.js';
import { kindAt, withoutLineBreaks } from './json-text.js';
import type { Member, Members } from './members.js';

/** One environment variable. */
export type Variable = readonly [name: string, value: string];

/** Why a variable can't be exported, in words that name it. */
export interface BadVariable {
  readonly problem: string;
  /** More than the kernel takes as an environment (execve(2), E2BIG). */
  readonly tooLarge?: true;
}

/** The text of a context value: a string as it is, null empty, anything else its JSON text (C-INIT-18, C-RUN-10). */
function memberText(text: Buffer, member: Member): string {
  const kind = kindAt(text, member.value.start);
  if (kind === 'string') return decodeString(text, member.value);
  if (kind === 'null') return '';
  return withoutLineBreaks(text, member.value).toString('utf8');
}

/** What makes the kernel's `NAME=value` form impossible: `=` or NUL in a name, NUL in a value, no name. */
export function variableProblem([name, value]: Variable): string | undefined {
  const shown = JSON.stringify(name);
  if (name === '') return 'an environment variable has an empty name';
  if (name.includes('=')) return `the environment variable name ${shown} holds "="`;
  if (name.includes('\0')) return `the environment variable name ${shown} holds a NUL character`;
  if (value.includes('\0')) return `the value of the environment variable ${shown} holds a NUL character`;
  return undefined;
}

/** The variables of an init's `env` object (C-INIT-18, C-INIT-19), the last of each name. */
export function initVariables(text: Buffer, members: Members): Variable[] | BadVariable {
  const all = members.others();
  return 'problem' in all ? { problem: `"env" ${all.problem}` } : collect(all, text, (name) => name);
}

/** The context keys of a run (C-RUN-08), without `value`, the last of each name. */
export function contextOf(members: Members): readonly Member[] | BadVariable {
  const context = members.others('value');
  return 'problem' in context ? { problem: `the context ${context.problem}`, tooLarge: true } : context;
}

/** The `__OW_*` variables of a run's {@link contextOf}. */
export function contextVariables(
  text: Buffer,
  context: readonly Member[] | BadVariable,
): Variable[] | BadVariable {
  return 'problem' in context ? context : collect(context, text, (name) => `__OW_${name.toUpperCase()}`);
}

function collect(
  members: readonly Member[],
  text: Buffer,
  nameOf: (key: string) => string,
): Variable[] | BadVariable {
  const values = new Map<string, string>();
  for (const member of members) {
    const variable: Variable = [nameOf(member.name), memberText(text, member)];
    const problem = variableProblem(variable);
    if (problem !== undefined) return { problem };
    values.set(variable[0], variable[1]);
  }
  return [...values];
}

/** The settings of the server itself, which no action gets to see (C-RUN-08). */
const OWN_PREFIX = 'HYPERSKELETON_';
/** What npm adds for the script that it starts, and a variable that is there only then (npm-scripts). */
const NPM_PREFIX = 'npm_';
const STARTED_BY_NPM = 'npm_lifecycle_event';

/**
 * The server's own environment as actions inherit it: entries `NAME=value` as the bytes they are.
 *
 * @param block the environment block, entries ended by NUL (proc(5), `/proc/[pid]/environ`)
 */
export function inheritedEntries(block: Buffer): Buffer[] {
  const entries = new Map<string, Buffer>();
  let start = 0;
  while (start < block.length) {
    let end = block.indexOf(0, start);
    if (end === -1) end = block.length;
    const entry = block.subarray(start, end);
    const name = entryName(entry);
    if (name !== '' && !name.startsWith(OWN_PREFIX) && !entries.has(name)) entries.set(name, entry);
    start = end + 1;
  }
  if (entries.has(STARTED_BY_NPM)) {
    for (const name of entries.keys()) if (name.startsWith(NPM_PREFIX)) entries.delete(name);
  }
  return [...entries.values()];
}

/** The name in a `NAME=value` entry; empty when it has none. */
export function entryName(entry: Buffer): string {
  const equals = entry.indexOf(0x3d);
  return equals <= 0 ? '' : entry.toString('utf8', 0, equals);
}
