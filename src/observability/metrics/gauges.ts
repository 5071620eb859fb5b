import type { StreamLosses } from '../../shared-memory/log-losses.js';
import type { HistogramData } from './histogram.js';

/** What is asked for at a scrape, once each if a metric shows it: how things stand at that moment. */
export interface Gauges {
  readonly inFlight: () => number;
  readonly queued: () => number;
  /** How many activations may be in flight, and how many may wait. */
  readonly limits: () => { readonly inFlight: number; readonly queued: number };
  /** Bytes of request bodies and results that are held, and that may be. */
  readonly buffered: () => { readonly usedBytes: number; readonly limitBytes: number };
  readonly workerThreads: () => number;
  readonly threads: () => readonly ThreadGauges[];
  readonly engine: () => string;
  /** What speaks HTTP. */
  readonly frontEnd: () => string;
  /** What of the logs could not be written, by stream. */
  readonly losses: () => readonly StreamLosses[];
  /** Of this server. */
  readonly version: () => string;
  /** Processes that activations have left behind; undefined where the kernel does not tell. */
  readonly leftovers: () => number | undefined;
  /** The processes of an ActionLoop action; undefined in the classic protocol. */
  readonly actionLoop: () => ActionLoopGauges | undefined;
  /** The processes that wait for activations; undefined where the engine prepares none. */
  readonly prewarm: () => PrewarmStats | undefined;
  /** What became of the spans of traces; undefined where nothing is traced. */
  readonly spans: () => SpanCounts | undefined;
  /** Signals that mean nothing to the server, by name. */
  readonly signals: () => ReadonlyMap<string, number>;
  /** Records of the server's own log that could not be written. */
  readonly logRecordsDropped: () => number;
  /** Memory of the control group; undefined outside of one. */
  readonly memory: () => MemoryGauges | undefined;
  /** How short of CPU the container is. */
  readonly cpu: () => CpuGauges;
  /** The phases of the server's start, in seconds, in their order; empty until it serves. */
  readonly startup: () => ReadonlyMap<string, number>;
}

/** How one thread stands. */
export interface ThreadGauges {
  /** `main`, or `worker-` and a number up to the number of threads. */
  readonly thread: string;
  /** Tasks under way; undefined for the main thread. */
  readonly tasks?: number;
  /** Tasks that wait for the thread itself, which is being started or replaced; undefined for the main thread. */
  readonly queued?: number;
  /** The share of the time in which its event loop had something to do. */
  readonly utilization?: number;
  /** Worst event-loop delay in the recent window. */
  readonly lagSeconds?: number;
}

/** How the processes of an ActionLoop action stand. */
export interface ActionLoopGauges {
  readonly processes: number;
  readonly busy: number;
  readonly started: number;
  /** That ended without being told to. */
  readonly lost: number;
  readonly extraLines: number;
}

/** How the processes stand that an engine has prepared for activations to come, in all threads together. */
export interface PrewarmStats {
  /** That wait now. */
  readonly ready: number;
  /** Activations that found one, and that found none. */
  readonly hits: number;
  readonly misses: number;
  /** That were thrown away unused: an init came, `exec` changed, they died. */
  readonly discarded: number;
  /** How long it takes until one is ready; buckets of bounds.ts. */
  readonly refillSeconds: HistogramData;
  /** What they are made from: how many were built, failed, died, were renewed, given up. */
  readonly templates?: Readonly<Record<string, number>>;
  /** All that was spent on building those. */
  readonly buildSeconds?: number;
  /** Of programs that wait for their first line, and the memory that they take. */
  readonly waitingTemplates?: number;
  readonly waitingTemplateBytes?: number;
  /** Starts that were left to the next engine, by reason. */
  readonly refusals?: Readonly<Record<string, number>>;
}

/** Time without a CPU, added up since the start of the container or of the machine; undefined where nobody tells. */
export interface CpuGauges {
  /** In which the container had used up what its limit allows. */
  readonly throttledSeconds: number | undefined;
  /** In which anything on this machine waited for a CPU. */
  readonly waitedSeconds: number | undefined;
}

/** What became of the spans of traces. */
export interface SpanCounts {
  readonly sent: number;
  /** That the collector did not take. */
  readonly failed: number;
  /** That were thrown away because too many waited for the collector. */
  readonly dropped: number;
}

/** Memory of the container, as the kernel accounts for it. */
export interface MemoryGauges {
  /** Undefined for no limit. */
  readonly limitBytes: number | undefined;
  readonly usedBytes: number | undefined;
  /** How many of its processes the kernel has killed for lack of memory. */
  readonly oomKills: number | undefined;
}
