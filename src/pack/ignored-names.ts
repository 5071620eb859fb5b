import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The file of a folder that names what of it is not packed. */
export const IGNORE_FILE = '.hyperskeletonignore';
/** What no action needs: history, secrets, and that file itself. */
const ALWAYS = ['.git', '.env*', `/${IGNORE_FILE}`];

interface Rule {
  readonly pattern: RegExp;
  /** Whether it takes a name back that was left out. */
  readonly takesBack: boolean;
  readonly foldersOnly: boolean;
}

/** Whether an entry is left out. @param path from the folder on, without a slash at its end */
export type IsIgnored = (path: string, isFolder: boolean) => boolean;

/**
 * What of a folder is not packed: `.git`, `.env*`, and what the lines of `.hyperskeletonignore` name, in the form of
 * gitignore(5): `*`, `?`, `**`, a slash at the begin or amid for a place, one at the end for folders only, `!` to take back,
 * `#` for comments. The last line that fits counts.
 */
export function ignoredIn(folder: string): IsIgnored {
  const rules = [...ALWAYS, ...linesOf(join(folder, IGNORE_FILE))].map(ruleOf);
  return (path, isFolder) => {
    const last = rules.findLast(
      ({ pattern, foldersOnly }) => (isFolder || !foldersOnly) && pattern.test(path),
    );
    return last !== undefined && !last.takesBack;
  };
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function ruleOf(line: string): Rule {
  const takesBack = line.startsWith('!');
  const glob = takesBack ? line.slice(1) : line;
  const foldersOnly = glob.endsWith('/');
  const name = glob.replace(/\/$/, '').replace(/^\//, '');
  const hasPlace = glob.replace(/\/$/, '').includes('/');
  const pattern = new RegExp(`^${hasPlace ? '' : '(?:.*/)?'}${expressionOf(name)}$`);
  return { pattern, takesBack, foldersOnly };
}

const WILDCARDS: Readonly<Record<string, string>> = {
  '**/': '(?:.*/)?',
  '**': '.*',
  '*': '[^/]*',
  '?': '[^/]',
};

function expressionOf(glob: string): string {
  return glob.replace(/\*\*\/|\*\*|[*?]|[.+^${}()|[\]\\]/g, (part) => WILDCARDS[part] ?? `\\${part}`);
}
