import type { Gauges } from './gauges.js';

/** Gauges of which each is asked once while a page is made, however many metrics show a part of it. */
export interface PageGauges {
  readonly gauges: Gauges;
  /** A new page begins. */
  begin(): void;
}

/** Wraps those that ask the kernel, or all threads. */
export function onceAPage(gauges: Gauges): PageGauges {
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
      loop: once(gauges.loop),
      memory: once(gauges.memory),
      cpu: once(gauges.cpu),
    },
    begin: () => answers.clear(),
  };
}
