import { markdownReport } from './markdown.js';
import { InvalidReport } from './read.js';
import type { BenchReport } from './schema.js';

/** Each on a line of its own: a page may also tell about them. */
const PLACE = /^(<!-- results -->)$[\s\S]*?^(<!-- \/results -->)$/m;

/**
 * A Markdown page with the report between its two marks, in place of what stood there. The report's headings are one
 * level lower: the page has a heading for it.
 *
 * @param name of the page, for the message
 * @throws InvalidReport when the page does not have both marks
 */
export function embedReport(page: string, report: BenchReport, name: string): string {
  if (!PLACE.test(page)) {
    throw new InvalidReport(`${name} has no line <!-- results --> with a line <!-- /results --> after it`);
  }
  const text = markdownReport(report).replaceAll(/^#/gm, '##');
  return page.replace(PLACE, (_whole, begin: string, end: string) => `${begin}\n\n${text}\n${end}`);
}
