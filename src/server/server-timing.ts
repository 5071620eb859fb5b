import type { Config } from '../config/load.js';
import type { ActivationTiming } from '../observability/metrics/recorder.js';
import type { Header } from '../protocol/answer.js';

/** The header that tells how long the phases of an activation took (W3C Server Timing), where it is asked for. */
export function timingHeaders(timing: ActivationTiming | undefined, { serverTiming }: Config): Header[] {
  if (!serverTiming || timing === undefined) return [];
  const { queueMs, startMs, runMs, totalMs } = timing;
  const phases: [name: string, ms: number | undefined][] = [
    ['queue', queueMs],
    ['start', startMs],
    ['run', runMs],
    ['total', totalMs],
  ];
  const reported = phases.flatMap(([name, ms]) => (ms === undefined ? [] : [`${name};dur=${ms.toFixed(3)}`]));
  return [['Server-Timing', reported.join(', ')]];
}
