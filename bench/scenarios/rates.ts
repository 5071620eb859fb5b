import type { ScenarioDefinition } from './definition.js';
import { helloC, helloExchanges } from './hello.js';

/** The highest rate that a service could promise. */
export const capacity: ScenarioDefinition = {
  id: 'capacity-hello-c',
  title: 'Capacity, hello in static C',
  description:
    'The highest fixed rate at which the p99, counted from when each request was due, stays under the limit.',
  profile: 'full',
  load: { kind: 'capacity' },
  protocols: ['classic'],
  action: helloC.action,
  exchanges: helloExchanges,
};

/** Latency at rates that do not depend on the target. */
export const openHello: ScenarioDefinition = {
  id: 'open-hello-c',
  title: 'Fixed rates, hello in static C',
  description: 'The same rates for every target, latency counted from when each request was due.',
  profile: 'full',
  load: { kind: 'open', ratesPerSecond: [100, 500, 1500] },
  protocols: ['classic'],
  action: helloC.action,
  exchanges: helloExchanges,
};
