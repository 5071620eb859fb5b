import { availableParallelism } from 'node:os';

/** What a setting's text may be. */
export type SettingKind =
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  | { readonly type: 'choice'; readonly of: readonly string[] }
  | { readonly type: 'path' };

/** One setting of `hyperskeleton serve`: where it comes from, what it may be, what it is for. */
export interface Setting {
  readonly flag: string;
  /** Environment variables, the first that is set counts. */
  readonly env: readonly string[];
  readonly kind: SettingKind;
  /** The default as text; undefined where it is derived when the server starts. */
  readonly default: string | undefined;
  /** How a derived default comes about, for the docs. */
  readonly derived?: string;
  readonly unit?: string;
  readonly sentence: string;
}

/** Room in the memory that threads share. */
export const MAX_THREADS = 32;
const MAX_SAFE = Number.MAX_SAFE_INTEGER;
/** The largest delay that Node's timers take. */
const MAX_DELAY_MS = 2 ** 31 - 1;
const LARGEST_BODY_BYTES = 2 ** 31 - 1;

/** Every setting. The loader, --help and docs/configuration.md come from here. */
export const SETTINGS = {
  port: {
    flag: 'port',
    env: ['FLASK_PROXY_PORT', 'PORT'],
    kind: { type: 'integer', min: 0, max: 65_535 },
    default: '8080',
    sentence:
      'TCP port to listen on; 0 takes a free one. FLASK_PROXY_PORT is the name that dockerskeleton knows.',
  },
  actionRoot: {
    flag: 'action-root',
    env: ['HYPERSKELETON_ACTION_ROOT'],
    kind: { type: 'path' },
    default: undefined,
    derived: '/action in the image, elsewhere a private temporary folder',
    sentence: 'Folder of the action; it holds `exec`, and is the working directory of every run.',
  },
  engine: {
    flag: 'engine',
    env: ['HYPERSKELETON_ENGINE'],
    kind: { type: 'choice', of: ['auto', 'forkserver', 'posix_spawn', 'child_process'] },
    default: 'auto',
    sentence: 'How processes are started; auto takes the fastest that works here.',
  },
  threads: {
    flag: 'threads',
    env: ['HYPERSKELETON_THREADS'],
    kind: { type: 'integer', min: 1, max: MAX_THREADS },
    default: undefined,
    derived: 'the number of CPUs, 4 at most',
    sentence: 'Worker threads. Each supervises any number of activations; a sleeping action takes none.',
  },
  maxInFlight: {
    flag: 'max-in-flight',
    env: ['HYPERSKELETON_MAX_IN_FLIGHT'],
    kind: { type: 'integer', min: 1, max: 65_536 },
    default: undefined,
    derived: 'from the limits on open files and processes, 4096 at most',
    unit: 'activations',
    sentence: 'Activations that run at the same time; further ones wait in order of arrival.',
  },
  maxQueued: {
    flag: 'max-queued',
    env: ['HYPERSKELETON_MAX_QUEUED'],
    kind: { type: 'integer', min: 0, max: 1_000_000 },
    default: undefined,
    derived: 'from the limit on open files, 4096 at most',
    unit: 'activations',
    sentence: 'Activations that may wait; one more is answered 429.',
  },
  maxBodyBytes: {
    flag: 'max-body-bytes',
    env: ['HYPERSKELETON_MAX_BODY_BYTES'],
    kind: { type: 'integer', min: 1, max: LARGEST_BODY_BYTES },
    default: String(128 * 1024 * 1024),
    unit: 'bytes',
    sentence: 'Largest request body; a larger one is answered 413.',
  },
  maxResultBytes: {
    flag: 'max-result-bytes',
    env: ['HYPERSKELETON_MAX_RESULT_BYTES'],
    kind: { type: 'integer', min: 1, max: LARGEST_BODY_BYTES },
    default: String(64 * 1024 * 1024),
    unit: 'bytes',
    sentence: 'Longest last line of stdout; a longer one goes to the log and is no result.',
  },
  maxUnzippedBytes: {
    flag: 'max-unzipped-bytes',
    env: ['HYPERSKELETON_MAX_UNZIPPED_BYTES'],
    kind: { type: 'integer', min: 1, max: MAX_SAFE },
    default: String(512 * 1024 * 1024),
    unit: 'bytes',
    sentence:
      'What an archive may inflate to, by the bytes that really come out. Beyond 16 MiB an entry may also not grow more than 250 times.',
  },
  maxEntries: {
    flag: 'max-entries',
    env: ['HYPERSKELETON_MAX_ENTRIES'],
    kind: { type: 'integer', min: 1, max: 65_535 },
    default: '20000',
    unit: 'entries',
    sentence: 'Entries of an archive.',
  },
  graceMs: {
    flag: 'grace-ms',
    env: ['HYPERSKELETON_GRACE_MS'],
    kind: { type: 'integer', min: 0, max: MAX_DELAY_MS },
    default: '25000',
    unit: 'milliseconds',
    sentence: 'How long after SIGTERM activations may run on before they are killed.',
  },
  drainMs: {
    flag: 'drain-ms',
    env: ['HYPERSKELETON_DRAIN_MS'],
    kind: { type: 'integer', min: 0, max: MAX_DELAY_MS },
    default: '1000',
    unit: 'milliseconds',
    sentence:
      'How long to wait for a result from processes that still hold stdout or stderr after `exec` has exited without one.',
  },
  allowReinit: {
    flag: 'allow-reinit',
    env: ['PROXY_ALLOW_REINIT'],
    kind: { type: 'path' },
    default: '',
    sentence: 'Exactly 1 allows a further /init; anything else does not.',
  },
  metrics: {
    flag: 'metrics',
    env: ['HYPERSKELETON_METRICS'],
    kind: { type: 'choice', of: ['on', 'off'] },
    default: 'on',
    sentence: 'Whether GET /metrics is there.',
  },
  logLevel: {
    flag: 'log-level',
    env: ['HYPERSKELETON_LOG_LEVEL'],
    kind: { type: 'choice', of: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] },
    default: 'info',
    sentence: "Least severe records of the server's own log.",
  },
  logFile: {
    flag: 'log-file',
    env: ['HYPERSKELETON_LOG_FILE'],
    kind: { type: 'path' },
    default: '',
    sentence:
      "File for the server's own log, JSON lines. Without it the log goes to stderr where that is a terminal, else nowhere.",
  },
} as const satisfies Record<string, Setting>;

export type SettingKey = keyof typeof SETTINGS;

/** The default number of worker threads: beyond four the start of processes, not the threads, is the limit. */
export function defaultThreads(): number {
  return Math.min(availableParallelism(), 4);
}
