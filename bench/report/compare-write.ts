import { table as alignedTable } from '../support/table.js';
import type { Comparison } from './compare.js';
import type { ComparisonText } from './compare-words.js';
import { escapeHtml } from './html/escape.js';
import { details, htmlPage, list } from './html/page.js';
import { htmlTable } from './html/table.js';
import { escapeMarkdown, markdownTable } from './markdown.js';

/** Tables that need no attention. */
const QUIET = new Set(['Undecided', 'Unchanged', 'In one run only']);

/** For a terminal or a log of CI: what needs attention in full, the rest counted. */
export function comparisonAsText({ title, sentences, tables }: ComparisonText): string {
  const loud = tables.filter((one) => !QUIET.has(one.title));
  const blocks = loud.map(
    ({ title: heading, table: { columns, rows } }) =>
      `${heading}\n${alignedTable(
        columns.map((column) => column.title),
        rows.map((row) => row.map(({ text }) => text)),
      )}`,
  );
  return `${[title, sentences.join('\n'), ...blocks].join('\n\n')}\n`;
}

/** For a pull request: what needs no attention is folded away. */
export function comparisonAsMarkdown({ title, sentences, tables }: ComparisonText): string {
  const blocks = tables.map(({ title: heading, table }) => {
    const rows = markdownTable(table);
    return QUIET.has(heading)
      ? `<details><summary>${heading} (${table.rows.length})</summary>\n\n${rows}\n\n</details>`
      : `### ${heading}\n\n${rows}`;
  });
  const words = sentences.map((sentence) => `- ${escapeMarkdown(sentence)}`).join('\n');
  return `${[`## ${escapeMarkdown(title)}`, words, ...blocks].join('\n\n')}\n`;
}

/** As one HTML file, in the style of the reports. */
export function comparisonAsHtml({ title, sentences, tables }: ComparisonText): string {
  const blocks = tables.map(({ title: heading, table }) =>
    QUIET.has(heading)
      ? details(`${heading} (${table.rows.length})`, htmlTable(heading, table))
      : htmlTable(heading, table),
  );
  return htmlPage({
    title,
    body: `<h1>${escapeHtml(title)}</h1>\n<div class="card">${list(sentences.map(escapeHtml))}</div>\n${blocks.join('')}`,
  });
}

/** For programs: every number, the metric by its key. */
export function comparisonAsJson({ changes, ...rest }: Comparison): string {
  const plain = changes.map(({ metric, ...change }) => ({ ...change, metric: metric.key }));
  return `${JSON.stringify({ ...rest, changes: plain }, null, 2)}\n`;
}
