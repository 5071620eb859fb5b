import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { equal, holds, Violation } from './check.js';
import type { Answer } from './target/server.js';

/** The text of an error answer: that status, JSON, `{"error": text}`. Throws where it is something else. */
export function errorText(what: string, answer: Answer, status: number): string {
  equal(`status of ${what}`, answer.status, status);
  const type = answer.headers['content-type'] ?? '';
  holds(`type of ${what}`, type.startsWith('application/json'), 'application/json', type);
  const { error } = jsonOf(what, answer) as { error?: unknown };
  if (typeof error !== 'string' || error === '') {
    throw new Violation(`body of ${what}: expected {"error": text}, got ${answer.text.slice(0, 300)}`);
  }
  return error;
}

/** Throws unless the answer is this very error. */
export function isError(what: string, answer: Answer, status: number, text: string): void {
  equal(`error of ${what}`, errorText(what, answer, status), text);
}

/** The parsed body of an answer. */
export function jsonOf(what: string, answer: Answer): unknown {
  try {
    return JSON.parse(answer.text);
  } catch {
    throw new Violation(
      `body of ${what} (${answer.status}): expected JSON, got ${JSON.stringify(answer.text.slice(0, 300))}`,
    );
  }
}

/** The parsed body of a 200. */
export function resultOf(what: string, answer: Answer): unknown {
  holds(`status of ${what}`, answer.status === 200, '200', `${answer.status} ${answer.text.slice(0, 300)}`);
  return jsonOf(what, answer);
}

/** Everything below a folder, path by path: type, mode, and content or target. */
export function treeOf(folder: string, below = ''): Record<string, string> {
  const tree: Record<string, string> = {};
  for (const name of readdirSync(join(folder, below)).sort()) {
    const path = below === '' ? name : `${below}/${name}`;
    const stats = lstatSync(join(folder, path));
    const mode = (stats.mode & 0o777).toString(8);
    if (stats.isSymbolicLink()) tree[path] = `link to ${readlinkSync(join(folder, path))}`;
    else if (stats.isDirectory()) Object.assign(tree, { [path]: `folder ${mode}` }, treeOf(folder, path));
    else {
      const hash = createHash('sha256').update(readFileSync(join(folder, path)));
      tree[path] = `file ${mode} ${stats.size} ${hash.digest('hex').slice(0, 12)}`;
    }
  }
  return tree;
}
