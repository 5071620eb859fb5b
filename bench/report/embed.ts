import { markdownReport } from './markdown.js';
import { InvalidReport } from './read.js';
import type { BenchReport } from './schema.js';

const BEGIN = '<!-- results -->';
const END = '<!-- /results -->';

/**
 * A Markdown page with the report between its two marks, in place of what stood there. The report's headings are one
 * level lower: the page has a heading for it.
 *
 * @param name of the page, for the message
 * @throws InvalidReport when the page does not have both marks
 */
export function embedReport(page: string, report: BenchReport, name: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new InvalidReport(`${name} has no ${BEGIN} with ${END} after it`);
  const text = markdownReport(report).replaceAll(/^#/gm, '##');
  return `${page.slice(0, begin + BEGIN.length)}\n\n${text}\n${page.slice(end)}`;
}
