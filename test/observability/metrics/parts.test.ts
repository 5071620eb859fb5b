import { closeSync, existsSync, openSync, readdirSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { REFILL_SECONDS } from '../../../src/observability/metrics/buckets.js';
import { cpuPressure } from '../../../src/observability/metrics/cpu-pressure.js';
import { EventLoopUtilizations } from '../../../src/observability/metrics/event-loop-utilization.js';
import type { Gauges } from '../../../src/observability/metrics/gauges.js';
import {
  Histogram,
  HistogramWithExemplars,
  histogramCells,
} from '../../../src/observability/metrics/histogram.js';
import { outcomeOf } from '../../../src/observability/metrics/labels.js';
import { openDescriptors } from '../../../src/observability/metrics/open-descriptors.js';
import { Recorder } from '../../../src/observability/metrics/recorder.js';
import { ERRORS, type ErrorCode, type ErrorRow } from '../../../src/protocol/errors.js';
import {
  EventLoopLag,
  LAG_TABLE,
  lagCellsOf,
  maxLagSeconds,
} from '../../../src/shared-memory/event-loop-lag.js';

const GAUGES: Gauges = {
  inFlight: () => 0,
  queued: () => 0,
  limits: () => ({ inFlight: 1, queued: 1 }),
  buffered: () => ({ usedBytes: 0, limitBytes: 0 }),
  workerThreads: () => 1,
  threads: () => [],
  engine: () => 'none',
  frontEnd: () => 'uws',
  losses: () => [],
  version: () => '0.0.0',
  spans: () => undefined,
  leftovers: () => undefined,
  actionLoop: () => undefined,
  prewarm: () => undefined,
  memory: () => undefined,
  cpu: () => ({ throttledSeconds: undefined, waitedSeconds: undefined }),
  startup: () => new Map(),
  signals: () => new Map(),
  logRecordsDropped: () => 0,
};

describe('a distribution', () => {
  it('counts a value in the first bucket whose bound it does not exceed', () => {
    const data = new Histogram([1, 2]);
    for (const value of [0.5, 1, 1.5, 2, 3]) data.observe(value);
    expect([...data.counts]).toEqual([2, 2, 1]);
    expect(data.sum).toBe(8);
  });

  it('can be filled by one thread and read by another', () => {
    const memory = new SharedArrayBuffer(histogramCells([1, 2]) * Float64Array.BYTES_PER_ELEMENT);
    new Histogram([1, 2], new Float64Array(memory)).observe(1.5);
    const seen = new Histogram([1, 2], new Float64Array(memory));
    expect([...seen.counts, seen.sum]).toEqual([0, 1, 0, 1.5]);
  });

  it('remembers the last example of each bucket, the trace before the activation', () => {
    const data = new HistogramWithExemplars([1]);
    data.observeWithExemplar(0.5, undefined, 'activation');
    data.observeWithExemplar(5, 'trace', 'activation');
    data.observeWithExemplar(6, undefined, undefined);
    expect(data.exemplarOf(0)).toMatchObject({ label: 'activation_id', id: 'activation', value: 0.5 });
    expect(data.exemplarOf(1)).toMatchObject({ label: 'trace_id', id: 'trace', value: 5 });
  });
});

describe('failures', () => {
  it.each(Object.entries<ErrorRow>(ERRORS))(
    'of the row %s are counted with their fault',
    async (code, { fault }) => {
      const recorder = new Recorder(GAUGES);
      recorder.countFailure(code as ErrorCode);
      const { text } = await recorder.scrape(undefined);
      expect(text.split('\n')).toContain(`hyperskeleton_failures_total{code="${code}",fault="${fault}"} 1`);
    },
  );
});

describe('prepared processes', () => {
  it('are shown where an engine prepares some', async () => {
    const refillSeconds = new Histogram(REFILL_SECONDS);
    refillSeconds.observe(0.0004);
    const prewarm = { ready: 2, hits: 5, misses: 1, discarded: 3, refillSeconds };
    const { text } = await new Recorder({ ...GAUGES, prewarm: () => prewarm }).scrape(undefined);
    for (const line of [
      'hyperskeleton_prewarm_processes{state="ready"} 2',
      'hyperskeleton_prewarm_total{result="hit"} 5',
      'hyperskeleton_prewarm_total{result="miss"} 1',
      'hyperskeleton_prewarm_total{result="discarded"} 3',
      'hyperskeleton_prewarm_refill_seconds_bucket{le="0.0005"} 1',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
  });
});

describe('a metric that can’t be read', () => {
  const broken = {
    ...GAUGES,
    memory: () => {
      throw new Error('the kernel says no');
    },
  };

  it('is left out and counted, and the page is there', async () => {
    const recorder = new Recorder(broken);
    recorder.countFailure('internal');
    for (const accept of [undefined, 'application/openmetrics-text']) {
      const { text } = await recorder.scrape(accept);
      const lines = text.split('\n');
      expect(lines).toContain('hyperskeleton_failures_total{code="internal",fault="runtime"} 1');
      expect(lines).toContain('# TYPE hyperskeleton_container_memory_bytes gauge');
      expect(lines.filter((line) => /^hyperskeleton_(container_memory|memory_limit)/.test(line))).toEqual([]);
    }
    const { text } = await recorder.scrape(undefined);
    // Three metrics of each page before this one.
    expect(text.split('\n')).toContain('hyperskeleton_scrape_errors_total 6');
    expect(text).toMatch(/^hyperskeleton_scrape_duration_seconds_count 2$/m);
  });
});

describe('a page that is made ahead', () => {
  it('is no scrape', async () => {
    const recorder = new Recorder(GAUGES);
    await recorder.warmUp();
    const { text } = await recorder.scrape(undefined);
    expect(text).toMatch(/^hyperskeleton_scrape_duration_seconds_count 0$/m);
  });
});

describe('what a page shows parts of', () => {
  it('is asked for once a page', async () => {
    const threads = vi.fn(() => [{ thread: 'main', utilization: 0.5, lagSeconds: 0.1 }]);
    const recorder = new Recorder({ ...GAUGES, threads });
    const { text } = await recorder.scrape(undefined);
    expect(text).toContain('hyperskeleton_event_loop_utilization_ratio{thread="main"} 0.5');
    expect(text).toContain('hyperskeleton_event_loop_lag_seconds{thread="main"} 0.1');
    expect(threads).toHaveBeenCalledTimes(1);
    await recorder.scrape('application/openmetrics-text');
    expect(threads).toHaveBeenCalledTimes(2);
  });
});

describe('the open descriptors', () => {
  it('are counted as the folder in /proc has them', () => {
    const before = openDescriptors() as number;
    const open = Array.from({ length: 100 }, () => openSync('/dev/null', 'r'));
    expect(openDescriptors()).toBe(before + 100);
    for (const fd of open) closeSync(fd);
    expect(before).toBe(readdirSync('/proc/self/fd').length - 1);
  });
});

describe('the outcome of an activation', () => {
  it.each([
    ['ok', {}],
    ['ok', { stats: {} }],
    ['action_error', { stats: { actionError: true } }],
    ['killed', { failure: { code: 'run_killed' } }],
    ['invalid_result', { failure: { code: 'run_invalid_result' }, stats: {} }],
    ['internal', { failure: { code: 'not_found' } }],
  ] as const)('is %s', (outcome, answered) => {
    expect(outcomeOf(answered)).toBe(outcome);
  });
});

describe('the lag of an event loop', () => {
  it('is watched while work comes, and no longer', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const lag = new EventLoopLag(LAG_TABLE.slot(LAG_TABLE.create(1), 0), 7);
      expect(vi.getTimerCount()).toBe(0);
      lag.touch();
      lag.touch();
      expect(vi.getTimerCount()).toBe(1);
      vi.advanceTimersByTime(100);
      expect(vi.getTimerCount()).toBe(1);
      vi.advanceTimersByTime(100);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is the worst of the last while', async () => {
    const memory = LAG_TABLE.create(2);
    const lag = new EventLoopLag(LAG_TABLE.slot(memory, 1), 7);
    lag.touch();
    const until = performance.now() + 300;
    while (performance.now() < until) {
      // Holds the loop up.
    }
    await new Promise((resolve) => setTimeout(resolve, 150));
    const cells = lagCellsOf(memory, 7) as Float64Array;
    const now = performance.timeOrigin + performance.now();
    expect(maxLagSeconds(cells)).toBeGreaterThan(0.15);
    expect(maxLagSeconds(cells, now + 20_000)).toBeGreaterThan(0.15);
    expect(maxLagSeconds(cells, now + 31_000)).toBe(0);
    expect(lagCellsOf(memory, 8)).toBeUndefined();
  });
});

describe('the utilisation of an event loop', () => {
  it('is of the time since the last look, and looks in quick succession see the same', () => {
    const total = (active: number): { active: number; idle: number; utilization: number } => ({
      active,
      idle: 0,
      utilization: 1,
    });
    let active = 0;
    const clock = {
      eventLoopUtilization: (current?: { active: number }, previous?: { active: number }) =>
        current === undefined
          ? { ...total(active), utilization: 0.1 }
          : { ...total(active), utilization: (current.active - (previous?.active ?? 0)) / 1000 },
    };
    const loops = new EventLoopUtilizations();
    expect(loops.ratioOf(clock, 0)).toBe(0.1);
    active = 500;
    expect(loops.ratioOf(clock, 500)).toBe(0.1);
    expect(loops.ratioOf(clock, 1500)).toBe(0.5);
  });
});

describe('the shortage of CPU', () => {
  it('is told only where the kernel tells it', () => {
    expect(cpuPressure('')().throttledSeconds).toBeUndefined();
    const { throttledSeconds, waitedSeconds } = cpuPressure()();
    if (throttledSeconds !== undefined) expect(throttledSeconds).toBeGreaterThanOrEqual(0);
    const reported = existsSync('/proc/pressure/cpu');
    expect(waitedSeconds !== undefined).toBe(reported);
  });
});
