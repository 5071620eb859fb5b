import { describe, expect, it } from 'vitest';
import {
  KEPT_MS,
  MAX_PAGES_IN_A_ROW,
  type Page,
  PageCache,
} from '../../../src/observability/metrics/page-cache.js';
import { RunServer } from '../../support/run-server.js';
import { OPENMETRICS, scrape } from '../../support/scrape.js';

/** A cache by a clock that the test sets, and how many pages were made. */
function counted(): { get(format?: string): Promise<string>; made(): number; pass(ms: number): void } {
  let nowMs = 0;
  let made = 0;
  const cache = new PageCache(() => nowMs);
  const make = async (): Promise<Page> => ({ type: '', text: String(++made) });
  return {
    get: async (format = 'a') => (await cache.get(format, make)).text,
    made: () => made,
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

describe('pages of metrics', () => {
  it('are of the moment for whoever looks now and then', async () => {
    const pages = counted();
    for (let at = 1; at <= MAX_PAGES_IN_A_ROW; at++) expect(await pages.get()).toBe(String(at));
  });

  it('are made once a second where many ask, and never older than that', async () => {
    const pages = counted();
    for (let at = 0; at < MAX_PAGES_IN_A_ROW; at++) await pages.get();
    const LATER_SECONDS = 20;
    for (let second = 1; second <= LATER_SECONDS; second++) {
      pages.pass(KEPT_MS);
      const texts = new Set<string>();
      for (let scraper = 0; scraper < 16; scraper++) texts.add(await pages.get());
      expect([...texts]).toEqual([String(MAX_PAGES_IN_A_ROW + second)]);
    }
  });

  it('are apart for each format', async () => {
    const pages = counted();
    for (let at = 0; at < 2 * MAX_PAGES_IN_A_ROW; at++) await pages.get('a');
    expect(await pages.get('b')).toBe(String(MAX_PAGES_IN_A_ROW + 1));
    expect(await pages.get('a')).toBe(String(MAX_PAGES_IN_A_ROW));
  });

  it('are shared while they are made', async () => {
    const pages = counted();
    expect(await Promise.all([pages.get(), pages.get(), pages.get()])).toEqual(['1', '1', '1']);
  });

  it('that can not be made are asked for again', async () => {
    const cache = new PageCache(() => 0);
    await expect(cache.get('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect((await cache.get('a', () => Promise.resolve({ type: '', text: 'yes' }))).text).toBe('yes');
  });
});

it('GET /metrics: the number of pages does not depend on that of the scrapers', async () => {
  const server = await RunServer.start({ engine: 'posix_spawn' });
  try {
    const begunMs = performance.now();
    const scraper = async (at: number): Promise<void> => {
      for (let count = 0; count < 20; count++) await scrape(server.port, at % 2 === 0 ? '' : OPENMETRICS);
    };
    await Promise.all(Array.from({ length: 16 }, (_, at) => scraper(at)));
    const FORMATS = 2;
    const most = MAX_PAGES_IN_A_ROW + FORMATS * (1 + (performance.now() - begunMs) / KEPT_MS);
    const page = await scrape(server.port);
    expect(page.value('hyperskeleton_scrape_duration_seconds_count')).toBeLessThanOrEqual(most);
  } finally {
    await server.stop();
  }
});
