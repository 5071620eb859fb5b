import type { ScenarioDefinition } from './definition.js';
import { workAction, workExchanges } from './work.js';

const KB = 1000;
const MB = 1000 * KB;

/** Arguments of a size; above 131,071 bytes they no longer fit on a command line. */
function argumentsOf(label: string, dataBytes: number): ScenarioDefinition {
  return {
    id: `arguments-${label.replace(' ', '').toLowerCase()}`,
    title: `Arguments of ${label}`,
    description: `Arguments of ${label} to an action in static C, which counts them.`,
    profile: 'full',
    load: { kind: 'closed', connections: [1, 8] },
    protocols: ['classic', 'actionloop'],
    action: workAction,
    exchanges: () => workExchanges({ dataBytes }),
  };
}

/** Results of a size. */
function resultsOf(label: string, resultBytes: number): ScenarioDefinition {
  return {
    id: `results-${label.replace(' ', '').toLowerCase()}`,
    title: `Results of ${label}`,
    description: `Results of ${label} from an action in static C; every byte of the answers is compared.`,
    profile: 'full',
    load: { kind: 'closed', connections: [1, 8] },
    protocols: ['classic', 'actionloop'],
    action: workAction,
    exchanges: () => workExchanges({ resultBytes }),
  };
}

/** From 100 B to 1 MB in, to 5 MB out. */
export const sizeScenarios: readonly ScenarioDefinition[] = [
  argumentsOf('100 B', 100),
  argumentsOf('10 KB', 10 * KB),
  argumentsOf('100 KB', 100 * KB),
  argumentsOf('1 MB', MB),
  resultsOf('10 KB', 10 * KB),
  resultsOf('1 MB', MB),
  resultsOf('5 MB', 5 * MB),
];
