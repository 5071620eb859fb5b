import { join } from 'node:path';
import { groupFolder, ownGroups, VERSION_2, version1 } from '../../os/control-group.js';
import { readIfThere } from '../../os/read-if-there.js';
import type { CpuGauges } from './gauges.js';

/** Where the time is that a container was kept from its CPUs, and its unit (cgroups(7)). */
const VERSIONS = [
  { accounting: VERSION_2, throttled: /^throttled_usec (\d+)$/m, perSecond: 1e6 },
  { accounting: version1('cpu'), throttled: /^throttled_time (\d+)$/m, perSecond: 1e9 },
] as const;
const STATISTICS = 'cpu.stat';
const PRESSURE = '/proc/pressure/cpu';
const PRESSURE_PER_SECOND = 1e6;

/** Reads how long the container was throttled by its CPU limit, and the CPU pressure of the machine (PSI). */
export function cpuPressure(groups = ownGroups()): () => CpuGauges {
  const throttled = throttledReader(groups);
  return () => ({
    throttledSeconds: throttled(),
    waitedSeconds: numberIn(readIfThere(PRESSURE), /^some .*total=(\d+)$/m, PRESSURE_PER_SECOND),
  });
}

function throttledReader(groups: string): () => number | undefined {
  for (const { accounting, throttled, perSecond } of VERSIONS) {
    const folder = groupFolder(accounting, STATISTICS, groups);
    if (folder === undefined) continue;
    const path = join(folder, STATISTICS);
    // The root of version 2 has the file, and no limit in it.
    if (numberIn(readIfThere(path), throttled, perSecond) === undefined) continue;
    return () => numberIn(readIfThere(path), throttled, perSecond);
  }
  return () => undefined;
}

function numberIn(text: string | undefined, pattern: RegExp, perSecond: number): number | undefined {
  const found = pattern.exec(text ?? '')?.[1];
  return found === undefined ? undefined : Number(found) / perSecond;
}
