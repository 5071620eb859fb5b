import { actionloopEcho } from './actionloop-echo.js';
import { actionloopPython, actionloopPythonImports } from './actionloop-python.js';
import { cpuBound, logHeavy, mixed, overload, sleepBound } from './busy.js';
import type { ScenarioDefinition } from './definition.js';
import { helloC, helloFresh, helloNode, helloPython, helloSh } from './hello.js';
import { capacity, openHello } from './rates.js';
import { sizeScenarios } from './sizes.js';
import { coldStart, initScenarios } from './starts.js';

/** Every scenario, in the order of a run. */
export const SCENARIOS: readonly ScenarioDefinition[] = [
  helloC,
  helloFresh,
  helloSh,
  helloPython,
  helloNode,
  actionloopEcho,
  actionloopPython,
  actionloopPythonImports,
  ...sizeScenarios,
  logHeavy,
  cpuBound,
  sleepBound,
  mixed,
  openHello,
  capacity,
  overload,
  coldStart,
  ...initScenarios,
];
