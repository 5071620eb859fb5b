import type { Table } from '../tables.js';
import { escapeHtml } from './escape.js';

/** A table that scrolls within itself where it is too wide, with a button that copies it. */
export function htmlTable(title: string, { columns, rows }: Table): string {
  const name = escapeHtml(title);
  const head = columns.map(({ title: text, unit, numeric }) => {
    const value = escapeHtml(unit === undefined ? text : `${text} [${unit}]`);
    return `<th scope="col"${numeric ? ' class="number"' : ''} data-value="${value}">${escapeHtml(text)}</th>`;
  });
  const body = rows.map((row) => {
    const cells = row.map(({ text, value, tone }, index) => {
      const kind = columns[index]?.numeric === true ? 'number' : text.length > 40 ? 'wide' : '';
      const classes = [kind, tone ?? ''].filter((one) => one !== '').join(' ');
      return `<td${classes === '' ? '' : ` class="${classes}"`}${value === undefined ? '' : ` data-value="${value}"`}>${escapeHtml(text)}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<div class="table"><header><span>${name}</span><button type="button" class="copy" hidden>copy</button></header>
<div class="scroll" tabindex="0" role="region" aria-label="${name}"><table>
<thead><tr>${head.join('')}</tr></thead>
<tbody>
${body.join('\n')}
</tbody></table></div></div>
`;
}
