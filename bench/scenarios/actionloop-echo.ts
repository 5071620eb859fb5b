import type { ScenarioDefinition } from './definition.js';
import { workAction, workExchanges } from './work.js';

/** Persistent processes: one pipe round trip per activation. */
export const actionloopEcho: ScenarioDefinition = {
  id: 'actionloop-echo',
  title: 'ActionLoop echo',
  description:
    'A C program that stays and answers a line for each line. Every request carries its own token, and the answer must bring it back.',
  profile: 'quick',
  load: { kind: 'closed' },
  protocols: ['actionloop'],
  action: workAction,
  exchanges: () => workExchanges({}),
};
