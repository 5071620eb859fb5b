import type { ScenarioDefinition } from './definition.js';
import { workAction, workExchanges } from './work.js';

const MB = 1_000_000;

/** From nothing to the first answer. */
export const coldStart: ScenarioDefinition = {
  id: 'cold-start',
  title: 'Cold start',
  description:
    'Each round starts a server: until it listens, until its /init is answered, until its first /run is answered, and the memory that its processes have then. The first start, which reads the files from disk, does not count.',
  profile: 'quick',
  load: { kind: 'cold' },
  protocols: ['classic', 'actionloop'],
  action: workAction,
  exchanges: () => workExchanges({}),
};

function initOf(label: string, paddingBytes: number): ScenarioDefinition {
  return {
    id: `init-${label.replace(' ', '').toLowerCase()}`,
    title: `Init, ${label}`,
    description: `POST /init of a zip of ${label} (base64, hardly compressible) to a fresh server: how long it takes, and the most memory meanwhile.`,
    profile: 'full',
    load: { kind: 'init', paddingBytes },
    protocols: ['classic', 'actionloop'],
    action: workAction,
    exchanges: () => workExchanges({}),
  };
}

/** Archives from small to nearly the platform's limit. */
export const initScenarios: readonly ScenarioDefinition[] = [
  initOf('small', 0),
  initOf('10 MB', 10 * MB),
  initOf('40 MB', 40 * MB),
];
