import { createHash } from 'node:crypto';
import { escapeHtml } from './escape.js';
import { COPY_SCRIPT } from './script.js';
import { STYLE } from './style.js';

interface Page {
  readonly title: string;
  /** The body, as HTML. */
  readonly body: string;
}

const SCRIPT_HASH = createHash('sha256').update(COPY_SCRIPT).digest('base64');

/** A page in one file that loads nothing: the policy also forbids what an escaping that failed would let in. */
export function htmlPage({ title, body }: Page): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${SCRIPT_HASH}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="hyperskeleton bench">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${body}
</main>
<script>${COPY_SCRIPT}</script>
</body>
</html>
`;
}

/** A chart with its heading; nothing where there is no chart. */
export function figure(caption: string, svg: string | undefined): string {
  return svg === undefined
    ? ''
    : `<figure><figcaption>${escapeHtml(caption)}</figcaption>\n${svg}\n</figure>\n`;
}

/** Figures beside each other where there is room. */
export function figures(...all: readonly string[]): string {
  const some = all.join('');
  return some === '' ? '' : `<div class="figures">\n${some}</div>\n`;
}

/** A list of paragraphs as one; nothing for an empty one. */
export function list(items: readonly string[], className = ''): string {
  if (items.length === 0) return '';
  const attribute = className === '' ? '' : ` class="${className}"`;
  return `<ul${attribute}>\n${items.map((item) => `<li>${item}</li>`).join('\n')}\n</ul>\n`;
}

/** Something that is shown when it is asked for. */
export const details = (summary: string, body: string, open = false): string =>
  body === ''
    ? ''
    : `<details${open ? ' open' : ''}><summary>${escapeHtml(summary)}</summary>\n${body}</details>\n`;
