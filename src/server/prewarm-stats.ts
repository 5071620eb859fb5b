import type { EngineStats } from '../engines/forkserver/ipc/stats.js';
import type { PrewarmStats } from '../observability/metrics/gauges.js';

/** How the fork server's prewarmed clones and templates do, of all threads together. */
export function prewarmStats({ counters, refills, refusals }: EngineStats): PrewarmStats {
  return {
    ready: counters.sparesWaiting,
    hits: counters.spareHits,
    misses: counters.spareMisses,
    discarded: counters.sparesDiscarded,
    refillSeconds: refills,
    templates: {
      built: counters.templatesBuilt,
      failed: counters.templatesFailed,
      died: counters.templatesDied,
      renewed: counters.templatesRenewed,
      given_up: counters.templatesGivenUp,
    },
    buildSeconds: counters.buildMsTotal / 1000,
    waitingTemplates: counters.waitingTemplates,
    waitingTemplateBytes: counters.waitingTemplateBytes,
    refusals,
  };
}
