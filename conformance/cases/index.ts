import type { ConformanceCase } from '../case.js';
import { actionloopInitCases } from './actionloop.js';
import { actionloopChildCases } from './actionloop-child.js';
import { actionloopRunCases } from './actionloop-runs.js';
import { initCases } from './init.js';
import { initArchiveCases } from './init-archives.js';
import { initEnvironmentCases } from './init-environment.js';
import { knativeRequestCases } from './knative.js';
import { knativeAnswerCases } from './knative-answers.js';
import { logCases } from './logs.js';
import { platformCases } from './platform.js';
import { runArgumentCases } from './run-arguments.js';
import { runEnvironmentCases } from './run-environment.js';
import { runFailureCases } from './run-failures.js';
import { runResultCases } from './run-result.js';
import { serverCases } from './server.js';
import { serverLifeCases } from './server-life.js';

/** In the order of the contract: of its sections, within one of the rules' numbers. */
const SECTIONS = [
  [...serverCases, ...serverLifeCases],
  [...initCases, ...initArchiveCases, ...initEnvironmentCases],
  [...runArgumentCases, ...runEnvironmentCases, ...runResultCases, ...runFailureCases],
  logCases,
  [...knativeRequestCases, ...knativeAnswerCases],
  [...actionloopInitCases, ...actionloopChildCases, ...actionloopRunCases],
  platformCases,
];

/** Every case of the suite. */
export const ALL_CASES: readonly ConformanceCase[] = SECTIONS.flatMap((cases) =>
  // The sort is stable: cases of one rule stay as they are written.
  [...cases].sort((one, other) => one.rule.localeCompare(other.rule)),
);
