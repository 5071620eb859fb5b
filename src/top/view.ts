import { PHASES, type Phase } from '../observability/metrics/labels.js';
import { bucketsBetween, type Percentiles, percentilesOf } from './percentiles.js';
import type { ShownMetric, Snapshot } from './snapshot.js';

/** Something that is counted: how fast it happens now, and how often it has happened in all. */
export interface Counted {
  readonly perSecond: number;
  readonly total: number;
}

/**
 * What `hyperskeleton top` shows, and prints with --json. Times in seconds, sizes in bytes; null is "not known".
 */
export type View = ReturnType<typeof viewOf>;

/**
 * What happened between two scrapes of a server.
 *
 * @throws Error where the later one is not of a Hyperskeleton server
 */
export function viewOf(before: Snapshot, after: Snapshot) {
  const [info] = after.all('hyperskeleton_build_info');
  if (info === undefined)
    throw new Error('there is no hyperskeleton_build_info: this is no Hyperskeleton server');
  const seconds = Math.max((after.atMs - before.atMs) / 1000, Number.EPSILON);
  const counted = counting(before, after, seconds);
  const started = after.one('process_start_time_seconds');
  const loop = after.all('hyperskeleton_actionloop_processes');
  const ready = after.one('hyperskeleton_prewarm_processes');
  return {
    intervalSeconds: seconds,
    version: info.labels.version ?? '',
    /** The engine that is preferred. */
    engine: info.labels.engine ?? '',
    node: info.labels.node ?? '',
    uptimeSeconds: started === undefined ? null : Math.max(0, Date.now() / 1000 - started),
    activations: {
      ...counted('hyperskeleton_activations_total'),
      byOutcome: Object.fromEntries(
        after
          .all('hyperskeleton_activations_total')
          .map(({ labels: { outcome = '' } }) => [
            outcome,
            counted('hyperskeleton_activations_total', { outcome }),
          ]),
      ),
    },
    /** Activations that came to run, by what started their process; those that have happened. */
    starts: Object.fromEntries(
      after
        .all('hyperskeleton_activation_starts_total')
        .filter(({ value }) => value > 0)
        .map(({ labels: { engine = '' } }) => [
          engine,
          counted('hyperskeleton_activation_starts_total', { engine }),
        ]),
    ),
    phases: phasesOf(before, after),
    inFlight: after.one('hyperskeleton_activations_in_flight') ?? 0,
    inFlightLimit: after.one('hyperskeleton_admission_limit') ?? null,
    queued: after.one('hyperskeleton_activations_queued') ?? 0,
    queueLimit: after.one('hyperskeleton_queue_limit') ?? null,
    /** Those that have happened, the most frequent first. */
    failures: after
      .all('hyperskeleton_failures_total')
      .map(({ labels: { code = '', fault = '' } }) => ({
        code,
        fault,
        ...counted('hyperskeleton_failures_total', { code, fault }),
      }))
      .filter(({ total }) => total > 0)
      .sort((one, other) => other.perSecond - one.perSecond || other.total - one.total),
    inits: counted('hyperskeleton_inits_total'),
    threads: threadsOf(after),
    cpu: {
      serverCores: counted('process_cpu_seconds_total').perSecond,
      actionCores: counted('hyperskeleton_child_cpu_seconds_total').perSecond,
    },
    memory: {
      serverBytes: after.one('process_resident_memory_bytes') ?? null,
      containerBytes: after.one('hyperskeleton_container_memory_bytes') ?? null,
      limitBytes: after.one('hyperskeleton_memory_limit_bytes') ?? null,
    },
    /** Null without the fork-server engine. */
    prewarm:
      ready === undefined
        ? null
        : {
            ready,
            hitsPerSecond: counted('hyperskeleton_prewarm_total', { result: 'hit' }).perSecond,
            missesPerSecond: counted('hyperskeleton_prewarm_total', { result: 'miss' }).perSecond,
          },
    /** Null in the classic protocol. */
    actionLoop:
      loop.length === 0
        ? null
        : {
            busy: after.one('hyperskeleton_actionloop_processes', { state: 'busy' }) ?? 0,
            idle: after.one('hyperskeleton_actionloop_processes', { state: 'idle' }) ?? 0,
            lost: after.one('hyperskeleton_actionloop_lost_total') ?? 0,
          },
  };
}

function counting(
  before: Snapshot,
  after: Snapshot,
  seconds: number,
): (name: ShownMetric, labels?: Record<string, string>) => Counted {
  return (name, labels) => {
    const total = sumOf(after, name, labels);
    const earlier = sumOf(before, name, labels);
    // A counter falls only when the server was started anew: then all of it is new.
    return { perSecond: (total < earlier ? total : total - earlier) / seconds, total };
  };
}

function sumOf(snapshot: Snapshot, name: ShownMetric, labels?: Record<string, string>): number {
  return snapshot.all(name, labels).reduce((sum, { value }) => sum + value, 0);
}

/** The phases within the interval; their shares are of the time of all activations. */
function phasesOf(before: Snapshot, after: Snapshot) {
  const name = 'hyperskeleton_activation_duration_seconds';
  const spent = new Map<Phase, { percentiles: Percentiles; sum: number }>();
  for (const phase of PHASES) {
    const now = after.buckets(name, { phase });
    if (now === undefined) continue;
    const buckets = bucketsBetween(before.buckets(name, { phase }), now);
    spent.set(phase, { percentiles: percentilesOf(buckets), sum: buckets.sum });
  }
  const whole = spent.get('total')?.sum ?? 0;
  const one = (phase: Phase) => {
    const found = spent.get(phase);
    const { mean, p50, p90, p99 } = found?.percentiles ?? {};
    return {
      mean: mean ?? null,
      p50: p50 ?? null,
      p90: p90 ?? null,
      p99: p99 ?? null,
      share: found === undefined || whole <= 0 ? null : found.sum / whole,
    };
  };
  return { queue: one('queue'), start: one('start'), run: one('run'), total: one('total') };
}

function threadsOf(after: Snapshot) {
  return after
    .all('hyperskeleton_event_loop_utilization_ratio')
    .map(({ labels: { thread = '' }, value }) => ({
      thread,
      utilization: value,
      lagSeconds: after.one('hyperskeleton_event_loop_lag_seconds', { thread }) ?? null,
      tasks: after.one('hyperskeleton_worker_tasks', { thread }) ?? null,
    }));
}
