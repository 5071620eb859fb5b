import { REFILL_SECONDS } from '../../../observability/metrics/buckets.js';
import { Histogram, type HistogramData, histogramCells } from '../../../observability/metrics/histogram.js';
import { SharedTable } from '../../../shared-memory/shared-table.js';
import { REFUSAL_REASONS, type RefusalReason } from '../../errors.js';

/** What the engine counts; times in milliseconds. */
const COUNTERS = [
  'templatesBuilt',
  'templatesFailed',
  'templatesDied',
  'templatesRenewed',
  'templatesGivenUp',
  'buildMsTotal',
  'buildMsLast',
  'clonesStarted',
  'spareHits',
  'spareMisses',
  'sparesDiscarded',
  'sparesWaiting',
  'waitingTemplates',
  'waitingTemplateBytes',
] as const;

type Counter = (typeof COUNTERS)[number];

const REFUSALS_AT = COUNTERS.length;
const REFILLS_AT = REFUSALS_AT + REFUSAL_REASONS.length;
const FIELDS_PER_SLOT = REFILLS_AT + histogramCells(REFILL_SECONDS);
/** In the header: whether the self-test of this server has passed, and the reason's length and text. */
const TEST_STATE = 0;
const TEST_REASON_BYTES = 1;
const TEST_REASON = 2;
const MAX_REASON_BYTES = 512;
const HEADER_FIELDS = TEST_REASON + MAX_REASON_BYTES / Float64Array.BYTES_PER_ELEMENT;
const TABLE = new SharedTable(Float64Array, HEADER_FIELDS, FIELDS_PER_SLOT);
const PASSED = 1;
const FAILED = 2;

/** All threads' numbers together. */
export interface EngineStats {
  readonly counters: Readonly<Record<Counter, number>>;
  readonly refusals: Readonly<Record<RefusalReason, number>>;
  /** From the order of a prewarmed clone until it is there, in seconds. */
  readonly refills: HistogramData;
}

/** The memory for that many worker threads; the main thread reads it, each worker writes its own slot. */
export function createEngineStats(slots: number): SharedArrayBuffer {
  return TABLE.create(slots);
}

/** What the self-test said. */
export interface SelfTestOutcome {
  /** Why it failed; empty when it passed. */
  readonly reason: string;
}

/** The outcome of the self-test; undefined while no worker has made it. */
export function readSelfTest(memory: SharedArrayBuffer): SelfTestOutcome | undefined {
  return new SelfTestMemory(memory).read();
}

class SelfTestMemory {
  readonly #fields: Float64Array;
  readonly #text: Buffer;

  constructor(memory: SharedArrayBuffer) {
    this.#fields = TABLE.header(memory);
    this.#text = Buffer.from(memory, TEST_REASON * Float64Array.BYTES_PER_ELEMENT, MAX_REASON_BYTES);
  }

  read(): SelfTestOutcome | undefined {
    const state = this.#fields[TEST_STATE];
    if (state === 0) return undefined;
    if (state === PASSED) return { reason: '' };
    return { reason: this.#text.toString('utf8', 0, this.#fields[TEST_REASON_BYTES]) };
  }

  write(reason: string): void {
    this.#fields[TEST_REASON_BYTES] = this.#text.write(reason);
    this.#fields[TEST_STATE] = reason === '' ? PASSED : FAILED;
  }
}

/** One worker's side. */
export class StatsWriter {
  readonly #fields: Float64Array;
  readonly #refills: Histogram;
  readonly #selfTest: SelfTestMemory;

  constructor(memory: SharedArrayBuffer, slot: number) {
    this.#fields = TABLE.slot(memory, slot);
    this.#refills = new Histogram(REFILL_SECONDS, this.#fields.subarray(REFILLS_AT));
    this.#selfTest = new SelfTestMemory(memory);
  }

  /** The self-test's outcome, when this or another worker has made it; they need not all do it. */
  get selfTest(): SelfTestOutcome | undefined {
    return this.#selfTest.read();
  }

  /** @param reason why it failed; empty when it passed */
  recordSelfTest(reason: string): void {
    this.#selfTest.write(reason);
  }

  add(counter: Counter, amount = 1): void {
    const at = COUNTERS.indexOf(counter);
    this.#fields[at] = (this.#fields[at] as number) + amount;
  }

  /** How many clones of this thread wait now. */
  setPrewarmed(count: number): void {
    this.#fields[COUNTERS.indexOf('sparesWaiting')] = count;
  }

  /** What the thread's template of a program that waits takes of memory now; undefined where it has none. */
  setWaitingTemplate(residentBytes: number | undefined): void {
    this.#fields[COUNTERS.indexOf('waitingTemplates')] = residentBytes === undefined ? 0 : 1;
    this.#fields[COUNTERS.indexOf('waitingTemplateBytes')] = residentBytes ?? 0;
  }

  /** A clone that was ordered is there, after so long. */
  recordRefill(ms: number): void {
    this.#refills.observe(ms / 1000);
  }

  recordBuild(ms: number): void {
    this.add('templatesBuilt');
    this.add('buildMsTotal', ms);
    this.#fields[COUNTERS.indexOf('buildMsLast')] = ms;
  }

  recordRefusal(reason: RefusalReason): void {
    const at = REFUSALS_AT + REFUSAL_REASONS.indexOf(reason);
    this.#fields[at] = (this.#fields[at] as number) + 1;
  }
}

/** Adds up what all workers have counted; of `buildMsLast` the largest. */
export function readEngineStats(memory: SharedArrayBuffer): EngineStats {
  const slots = TABLE.slots(memory);
  const fold = (at: number, join: (a: number, b: number) => number): number =>
    slots.reduce((value, fields) => join(value, fields[at] as number), 0);
  const sum = (a: number, b: number): number => a + b;
  const counters = COUNTERS.map((name, at) => [name, fold(at, name === 'buildMsLast' ? Math.max : sum)]);
  const refusals = REFUSAL_REASONS.map((name, at) => [name, fold(REFUSALS_AT + at, sum)]);
  const refills = Float64Array.from({ length: histogramCells(REFILL_SECONDS) }, (_, at) =>
    fold(REFILLS_AT + at, sum),
  );
  return {
    counters: Object.fromEntries(counters) as Record<Counter, number>,
    refusals: Object.fromEntries(refusals) as Record<RefusalReason, number>,
    refills: new Histogram(REFILL_SECONDS, refills),
  };
}
