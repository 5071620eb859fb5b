import type { Gauges } from './gauges.js';

/** Gauges that are read once per scrape, however many metrics show a part of them. */
export interface ScrapeGauges {
  readonly gauges: Gauges;
  /** A new page begins. */
  begin(): void;
}

/** Wraps those that ask the kernel, or all threads. */
export function perScrape(gauges: Gauges): ScrapeGauges {
  const answers = new Map<() => unknown, unknown>();
  const once = <Answer>(ask: () => Answer): (() => Answer) => {
    return () => {
      if (!answers.has(ask)) answers.set(ask, ask());
      return answers.get(ask) as Answer;
    };
  };
  return {
    gauges: {
      ...gauges,
      threads: once(gauges.threads),
      prewarm: once(gauges.prewarm),
      actionLoop: once(gauges.actionLoop),
      memory: once(gauges.memory),
      cpu: once(gauges.cpu),
    },
    begin: () => answers.clear(),
  };
}
