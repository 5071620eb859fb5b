import { readIfThere } from '../os/read-if-there.js';

/** The share of their time from which on the CPUs have nothing left. */
const SATURATED_SHARE = 0.9;
/** Numbers older than that say nothing about now. */
const MAX_AGE_MS = 1000;

interface CpuSample {
  readonly atMs: number;
  readonly total: number;
  readonly idle: number;
  readonly throttled: number;
}

/**
 * Asks whether the CPUs have had nothing left since the last time: those of the machine were busy (proc(5),
 * `/proc/stat`), or the container had used up its own share (cgroup v2 and v1, `nr_throttled` of `cpu.stat`).
 *
 * @returns the question; the first time, and after a long time, the answer is no
 */
export function cpuSaturation(): () => boolean {
  let before: CpuSample | undefined;
  return () => {
    const now = readSample();
    const last = before;
    before = now;
    if (last === undefined || now.atMs - last.atMs > MAX_AGE_MS) return false;
    const total = now.total - last.total;
    const busy = total - (now.idle - last.idle);
    return now.throttled > last.throttled || (total > 0 && busy / total >= SATURATED_SHARE);
  };
}

function readSample(): CpuSample {
  const line = (readIfThere('/proc/stat') ?? '').split('\n', 1)[0] ?? '';
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  const [, , , idle = 0, waiting = 0] = ticks;
  const quota = readIfThere('/sys/fs/cgroup/cpu.stat') ?? readIfThere('/sys/fs/cgroup/cpu/cpu.stat') ?? '';
  return {
    atMs: performance.now(),
    total: ticks.reduce((sum, one) => sum + one, 0),
    idle: idle + waiting,
    throttled: Number(/^nr_throttled (\d+)$/m.exec(quota)?.[1] ?? 0),
  };
}
