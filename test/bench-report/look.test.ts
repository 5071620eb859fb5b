import { describe, expect, it } from 'vitest';
import { INKS } from '../../bench/report/charts/theme.js';
import { compareReports } from '../../bench/report/compare.js';
import { comparisonText } from '../../bench/report/compare-words.js';
import { comparisonAsHtml } from '../../bench/report/compare-write.js';
import { escapeHtml } from '../../bench/report/html/escape.js';
import { htmlReport } from '../../bench/report/html/report.js';
import { readmePicture } from '../../bench/report/picture.js';
import type { BenchReport, BenchTarget } from '../../bench/report/schema.js';
import { trendPage } from '../../bench/report/trend.js';
import { dumpDom, evaluate, hasBrowser } from './browser.js';
import { sampleReport } from './sample-report.js';

const REPORT = sampleReport();
const LATER = sampleReport({
  seed: 8,
  startedAt: '2026-11-22T09:30:00.000Z',
  speedOf: { hyperskeleton: 0.8 },
});
const PAGES = {
  report: htmlReport(REPORT),
  trend: trendPage([LATER, REPORT]),
  compare: comparisonAsHtml(
    comparisonText(REPORT, LATER, compareReports(REPORT, LATER, { threshold: 0.05, confidence: 0.95 })),
  ),
  crowded: htmlReport(crowded()),
};

/** Ten targets with long names, and numbers that are nearly the same. */
function crowded(): BenchReport {
  const [pattern] = REPORT.targets;
  const groups = REPORT.cells.filter(({ targetId }) => targetId === 'hyperskeleton');
  const names = Array.from({ length: 10 }, (_, index) => ({
    id: `target-${index}`,
    title: `A server of ${index} with quite a long name, protocol ${index % 2 === 0 ? 'classic' : 'ActionLoop'}`,
  }));
  return {
    ...REPORT,
    targets: names.map((name) => ({
      ...(pattern as BenchTarget),
      ...name,
      reference: name.id === 'target-9',
    })),
    cells: groups.flatMap((cell) => names.map(({ id }) => ({ ...cell, targetId: id }))),
    comparisons: REPORT.comparisons.map((one) => ({ ...one, targetId: 'target-1', baselineId: 'target-0' })),
  };
}

/** Opens what is folded away, so that it has a size. */
const OPEN_ALL = 'for (const one of document.querySelectorAll("details")) one.open = true;';

/** Texts of charts that are cut off at the picture's edge, or that lie over each other. */
const BAD_TEXTS = `() => {
  ${OPEN_ALL}
  const bad = [];
  for (const svg of document.querySelectorAll('svg.chart')) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
    const title = svg.querySelector('title').textContent;
    for (const { text, box } of texts)
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        bad.push(title + ' – cut off: ' + text);
    texts.forEach((one, index) => texts.slice(index + 1).forEach((other) => {
      const wide = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const tall = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      if (wide > 2 && tall > 5) bad.push(title + ' – overlap: ' + one.text + ' / ' + other.text);
    }));
  }
  return bad;
}`;

describe.skipIf(!hasBrowser)('in a browser', { timeout: 90_000 }, () => {
  it('shows texts, shapes and tables, and its script may run', () => {
    const dom = dumpDom(PAGES.report);
    expect(dom).toContain('Who is ahead');
    expect(dom).toContain('Before you believe it');
    expect(dom).toMatch(/<button type="button" class="copy">copy<\/button>/);
    const counts = evaluate(
      PAGES.report,
      `() => ({
        charts: document.querySelectorAll('svg.chart').length,
        paths: document.querySelectorAll('svg.chart path').length,
        titles: document.querySelectorAll('svg.chart[role=img] > title').length,
        tables: document.querySelectorAll('.scroll table').length,
        fetched: performance.getEntriesByType('resource').length,
        heads: [...document.querySelectorAll('h2')].map((head) => head.textContent),
      })`,
    ) as { charts: number; paths: number; titles: number; tables: number; fetched: number; heads: string[] };
    expect(counts.charts).toBeGreaterThan(40);
    expect(counts.titles).toBe(counts.charts);
    expect(counts.paths).toBeGreaterThan(counts.charts * 8);
    expect(counts.tables).toBe(12);
    expect(counts.fetched).toBe(0);
    expect(counts.heads.slice(2, 4)).toEqual([
      'One connection: one activation at a time',
      'Many connections at once',
    ]);
  });

  it.each(Object.entries(PAGES))('%s: a phone needs no sideways scrolling', (_, html) => {
    const sizes = evaluate(
      html,
      `() => { ${OPEN_ALL} return { page: document.documentElement.scrollWidth, window: innerWidth,
        tables: [...document.querySelectorAll('.scroll')].some((box) => box.scrollWidth > box.clientWidth) }; }`,
      { width: 390 },
    );
    expect(sizes).toEqual({ page: 390, window: 390, tables: true });
  });

  it.each(Object.entries(PAGES))('%s: no text is cut off or lies over another', (_, html) => {
    expect(evaluate(html, BAD_TEXTS)).toEqual([]);
  });

  it('every picture is XML, and so is that of the README', () => {
    const asXml = `() => [...document.querySelectorAll('svg.chart, template')].filter((one) => {
      const text = one.content === undefined ? new XMLSerializer().serializeToString(one) : one.content.textContent;
      return new DOMParser().parseFromString(text, 'image/svg+xml').querySelector('parsererror') !== null;
    }).length`;
    const picture = escapeHtml(readmePicture(REPORT, { connections: 32 }));
    expect(evaluate(PAGES.report.replace('</body>', `<template>${picture}</template></body>`), asXml)).toBe(
      0,
    );
    expect(evaluate(`<body><template>&lt;svg&gt;</template></body>`, asXml)).toBe(1);
  });

  it('would see a text that is cut off, and two that overlap', () => {
    const text = (x: number, words: string): string => `<text x="${x}" y="20">${words}</text>`;
    const svg = `<svg class="chart" viewBox="0 0 100 40" style="width:100px"><title>t</title>${text(0, 'one one')}${text(20, 'two')}${text(80, 'much too long')}</svg>`;
    const found = evaluate(`<!doctype html><body>${svg}</body>`, BAD_TEXTS);
    expect(found).toEqual(['t – cut off: much too long', 't – overlap: one one / two']);
  });

  it.each([
    [false, 'light'],
    [true, 'dark'],
  ] as const)('dark: %s, and charts are %s', (dark, setting) => {
    const colours = evaluate(
      PAGES.report,
      `() => {
        const hex = (text) => '#' + text.match(/\\d+/g).slice(0, 3).map((part) => Number(part).toString(16).padStart(2, '0')).join('');
        const of = (selector, property) => hex(getComputedStyle(document.querySelector(selector))[property]);
        return {
          text: of('svg.chart text[fill="${INKS.text.light}"]', 'fill'),
          grid: of('svg.chart path[stroke="${INKS.grid.light}"]', 'stroke'),
          page: of('body', 'backgroundColor'),
        };
      }`,
      { dark },
    );
    expect(colours).toEqual({
      text: INKS.text[setting],
      grid: INKS.grid[setting],
      page: dark ? '#0d1117' : '#ffffff',
    });
  });

  it('copies a table with tabs and plain numbers', () => {
    const copied = evaluate(
      PAGES.report,
      `() => {
        let text = '';
        Object.defineProperty(navigator, 'clipboard', { value: { writeText: (all) => { text = all; return Promise.resolve(); } } });
        document.querySelector('#one button.copy').click();
        return text.split('\\n').map((row) => row.split('\\t'));
      }`,
    ) as string[][];
    expect(copied[0]?.slice(0, 3)).toEqual(['target', 'activations/s [1/s]', 'p50 latency [µs]']);
    expect(copied[1]?.[0]).toBe('Hyperskeleton, posix_spawn');
    expect(Number(copied[1]?.[1])).toBe(REPORT.cells[0]?.summary?.ratePerSecond.median);
  });
});
