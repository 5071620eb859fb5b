import type { TargetDefinition } from './definition.js';
import { dockerskeleton } from './dockerskeleton.js';
import {
  hyperskeletonActionloop,
  hyperskeletonAuto,
  hyperskeletonChildProcess,
  hyperskeletonForkserver,
  hyperskeletonIsolated,
  hyperskeletonIsolatedSpawn,
  hyperskeletonNode,
  hyperskeletonPosixSpawn,
} from './hyperskeleton.js';
import { ofWatchdog } from './of-watchdog.js';
import { openwhiskRuntimeGo } from './openwhisk-runtime-go.js';
import { bareAnswer, spawnLoop } from './references.js';

/** Every target that has a name, in the order of a report. */
export const TARGETS: readonly TargetDefinition[] = [
  hyperskeletonAuto,
  hyperskeletonNode,
  hyperskeletonForkserver,
  hyperskeletonPosixSpawn,
  hyperskeletonChildProcess,
  hyperskeletonActionloop,
  hyperskeletonIsolated,
  hyperskeletonIsolatedSpawn,
  dockerskeleton,
  openwhiskRuntimeGo,
  ofWatchdog,
  spawnLoop,
  bareAnswer,
];
