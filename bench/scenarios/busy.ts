import type { ScenarioDefinition } from './definition.js';
import { workAction, workExchanges } from './work.js';

const LOG_LINES = 1000;
const BURN_MS = 5;
const SLEEP_MS = 100;
const SLEEPERS = 300;
const CALM_FACTOR = 0.8;
const OVERLOAD_FACTOR = 4;
const OVERLOAD_WARM_UP_SECONDS = 5;

/** Much to log. */
export const logHeavy: ScenarioDefinition = {
  id: 'log-heavy',
  title: 'Log-heavy',
  description: `${LOG_LINES} lines of 100 bytes on stdout before the result: the way of the logs.`,
  profile: 'full',
  load: { kind: 'closed', connections: [1, 8] },
  protocols: ['classic'],
  writesLogs: true,
  action: workAction,
  exchanges: () => workExchanges({ logLines: LOG_LINES }),
};

/** The action needs the CPU itself. */
export const cpuBound: ScenarioDefinition = {
  id: 'cpu-bound',
  title: 'CPU-bound',
  description: `The action burns ${BURN_MS} ms of CPU: how much of the machine is left to it.`,
  profile: 'full',
  load: { kind: 'closed' },
  protocols: ['classic', 'actionloop'],
  action: workAction,
  exchanges: () => workExchanges({ burnMs: BURN_MS }),
};

/** Hundreds wait at the same time. */
export const sleepBound: ScenarioDefinition = {
  id: 'sleep-bound',
  title: `Sleep-bound, ${SLEEPERS} in flight`,
  description: `The action sleeps ${SLEEP_MS} ms, and ${SLEEPERS} connections wait: ${SLEEPERS * (1000 / SLEEP_MS)}/s would be perfect. A runtime that serves one activation at a time reaches ${1000 / SLEEP_MS}/s.`,
  profile: 'default',
  load: { kind: 'closed', connections: [SLEEPERS] },
  leastSeconds: 2,
  protocols: ['classic'],
  action: workAction,
  exchanges: () => workExchanges({ sleepMs: SLEEP_MS }),
};

/** More than can be done. */
export const overload: ScenarioDefinition = {
  id: 'overload',
  title: 'Overload',
  description: `Requests for ${BURN_MS} ms of CPU come at ${CALM_FACTOR} and at ${OVERLOAD_FACTOR} times the rate that the target was just found to hold, its limits at their defaults: how much is still served, how fast, and how the rest is refused. Latency is that of the activations that were let in; answers 429 and requests without an answer (lost) are counted, not failed. The first ${OVERLOAD_WARM_UP_SECONDS} s of each round of overload do not count: what comes first meets empty queues.`,
  profile: 'full',
  load: {
    kind: 'overload',
    factors: [CALM_FACTOR, OVERLOAD_FACTOR],
    warmUpSeconds: OVERLOAD_WARM_UP_SECONDS,
  },
  leastSeconds: 5,
  protocols: ['classic'],
  action: workAction,
  exchanges: () => workExchanges({ burnMs: BURN_MS }),
};

/** Small and large, quick and slow, in turn. */
export const mixed: ScenarioDefinition = {
  id: 'mixed',
  title: 'Mixed',
  description:
    'In turn: six small activations, one that sleeps 20 ms, one that burns 5 ms of CPU, one with arguments of 100 KB, one with a result of 100 KB.',
  profile: 'full',
  load: { kind: 'closed' },
  protocols: ['classic', 'actionloop'],
  action: workAction,
  exchanges: () =>
    workExchanges(
      {},
      {},
      { sleepMs: 20 },
      {},
      {},
      { burnMs: BURN_MS },
      {},
      { dataBytes: 100_000 },
      {},
      { resultBytes: 100_000 },
    ),
};
