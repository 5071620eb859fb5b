import { writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import { loadConfig } from '../config/load.js';
import { initBodyOf } from '../pack/init-body-of.js';
import { nameOf, type PackedAction, packAction } from '../pack/zip-of.js';
import { messageOf } from '../protocol/message-of.js';
import { reportUsageErrors } from './command.js';
import { examineAction, findingLines } from './examine-action.js';

/** Its command line. */
interface PackLine {
  readonly positionals: readonly string[];
  readonly values: {
    readonly output: string | undefined;
    readonly main: string;
    readonly check: boolean;
    readonly 'without-exec': boolean;
  };
}

/** So many names are told. */
const MAX_NAMES = 10;

/**
 * `hyperskeleton pack PATH -o FILE`: makes the zip of an action, or the body of the /init that uploads it, and says what
 * is in it.
 *
 * @returns the exit status: 0, 1 where it can't be packed or would not run, 2 for a command line that can't be understood
 */
export async function packCommand({ positionals, values }: PackLine): Promise<number> {
  const path = positionals[0] as string;
  const { main, output = `${nameOf(path)}.zip` } = values;
  const kind = extname(output);
  if (kind !== '.zip' && kind !== '.json')
    return reportUsageErrors(['the output of pack is a .zip or a .json']);
  try {
    const packed = await packAction(path);
    if (!(await isAccepted(packed, values))) return 1;
    writeFileSync(output, kind === '.zip' ? packed.zip : initBodyOf(packed.zip, nameOf(path), main));
    process.stdout.write(describePacked(packed, output));
    return 0;
  } catch (error) {
    process.stderr.write(`hyperskeleton: ${messageOf(error)}\n`);
    return 1;
  }
}

/** Looks whether it has an `exec` at its top and, if asked for, whether that can be started here. */
async function isAccepted({ zip }: PackedAction, values: PackLine['values']): Promise<boolean> {
  // The limits that a server has by default, whatever is set for one here.
  const limits = loadConfig({}, {});
  if ('problems' in limits) throw new Error(limits.problems.join('; '));
  const findings = await examineAction(zip, limits);
  const problems = findings.filter(({ ok, check }) => {
    if (ok) return false;
    return check === 'archive' ? !values['without-exec'] : values.check;
  });
  if (problems.length === 0 && !values.check) return true;
  process.stderr.write(findingLines(problems.length === 0 ? findings : problems));
  if (problems.some(({ reason }) => reason === 'no_exec'))
    process.stderr.write('hyperskeleton: --without-exec packs it for an image that brings an exec\n');
  return problems.length === 0;
}

function describePacked({ zip, names, leftOut }: PackedAction, output: string): string {
  const what = names === undefined ? '' : `, ${names.length} files: ${listed(names)}`;
  const without = leftOut.length === 0 ? '' : `; left out: ${listed(leftOut)}`;
  return `${output}: ${zip.length} bytes${what}${without}\n`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).join(', ');
  return names.length > MAX_NAMES ? `${shown}, and ${names.length - MAX_NAMES} more` : shown;
}
