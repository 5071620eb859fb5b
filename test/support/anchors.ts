import { readFileSync } from 'node:fs';
import { file } from './repository.js';

/** The anchors of a Markdown file's headings, as GitHub makes them. */
export function anchorsOf(path: string): string[] {
  const headings = readFileSync(file(path), 'utf8').matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replace(/ /g, '-'),
  );
}
