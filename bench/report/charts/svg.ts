import { createHash } from 'node:crypto';
import { CustomChart, LineChart } from 'echarts/charts';
import { GraphicComponent, GridComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { escapeHtml } from '../html/escape.js';
import { INKS } from './theme.js';

use([CustomChart, LineChart, GraphicComponent, GridComponent, SVGRenderer]);

/** What a chart is called, for those who can't see it too. */
export interface ChartText {
  readonly title: string;
  readonly description: string;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** The fonts of the reader's system: a report brings none along. */
export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

/** Draws an echarts option as SVG that scales to the room it is given and has nothing to do but be looked at. */
export function drawSvg(option: EChartsCoreOption, size: Size, text: ChartText): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: 'transparent',
      textStyle: { fontFamily: FONT, fontSize: 12, color: INKS.text.light },
      ...option,
    });
    return tidied(chart.renderToSVGString(), size, text);
  } finally {
    // Its timers would keep the process alive.
    chart.dispose();
  }
}

/**
 * Takes out what only serves interaction, names the picture, and makes its ids its own: many charts are in one page.
 * They are made of what is drawn, so that the same report gives the same file.
 */
function tidied(svg: string, { width, height }: Size, text: ChartText): string {
  const plain = svg
    .slice(svg.indexOf('>') + 1)
    .replace(/<style >[\s\S]*?<\/style>/g, '')
    .replace(/ (?:pointer-events|class|ecmeta_\w+|xml:space)="[^"]*"/g, '')
    .replaceAll(/zr\d+-c(\d+)/g, 'ID-c$1')
    .replaceAll(/\n+/g, '\n')
    .trim();
  const hash = createHash('sha256')
    .update(JSON.stringify([text, plain]))
    .digest('hex');
  const id = `chart-${hash.slice(0, 10)}`;
  const body = plain.replaceAll(/(id="|url\(#)ID-c/g, `$1${id}-c`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" class="chart" role="img" aria-labelledby="${id}-t ${id}-d"><title id="${id}-t">${escapeHtml(text.title)}</title><desc id="${id}-d">${escapeHtml(text.description)}</desc>
${body}`;
}
