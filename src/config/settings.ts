import { availableParallelism } from 'node:os';
import {
  choice,
  EXACTLY_ONE,
  HOSTS,
  HTTP_URL,
  integer,
  ON_OFF,
  ORIGINS,
  PATH,
  RESOURCE_LIMITS,
  type SettingKind,
  TEXT,
  WORD,
} from './kinds.js';

/** One setting of `hyperskeleton serve`: where it comes from, what it may be, what it is for. */
export interface Setting<Value> {
  readonly flag: string;
  /** Environment variables, the first that is set counts. */
  readonly env: readonly string[];
  /** Those of Knative mode, where they differ (C-SRV-01). */
  readonly knativeEnv?: readonly string[];
  /** Those that count besides, behind the others, where OpenTelemetry's variables are the server's. */
  readonly otelEnv?: readonly string[];
  readonly kind: SettingKind<Value>;
  /** The default as text; absent if the value is undefined where nothing is set. */
  readonly default?: string;
  /** How a default comes about that is no fixed one, for the docs. */
  readonly derived?: string;
  readonly unit?: string;
  readonly sentence: string;
}

/** The configuration that a table of settings makes: a value by each key, which may be undefined if it has no default. */
export type ConfigOf<Settings extends Record<string, Setting<unknown>>> = {
  readonly [Key in keyof Settings]: Settings[Key] extends Setting<infer Value>
    ? Settings[Key] extends { readonly default: string }
      ? Value
      : Value | undefined
    : never;
};

/** Room in the memory that threads share. */
const MAX_THREADS = 32;
const MAX_SAFE = Number.MAX_SAFE_INTEGER;
/** The largest delay that Node's timers take. */
const MAX_DELAY_MS = 2 ** 31 - 1;
/** Each takes some hundred bytes of memory until the archive is unpacked. */
const MAX_ENTRIES = 10_000_000;
const MAX_BODY_BYTES = 2 ** 31 - 1;

/** Every setting. The loader, --help and docs/reference/settings.md come from here. */
export const SETTINGS = {
  port: {
    flag: 'port',
    env: ['FLASK_PROXY_PORT', 'PORT'],
    knativeEnv: ['PORT', 'FLASK_PROXY_PORT'],
    kind: integer(0, 65_535),
    default: '8080',
    sentence:
      'TCP port to listen on; 0 takes a free one. FLASK_PROXY_PORT is the name that dockerskeleton knows; in Knative mode PORT goes first.',
  },
  hosts: {
    flag: 'host',
    env: ['HYPERSKELETON_HOST'],
    kind: HOSTS,
    derived: 'all interfaces (`::`) in a container, else loopback (`127.0.0.1,::1`)',
    sentence:
      'Addresses to listen on, or host names, each of whose addresses is listened on; the flag may be repeated. `::` is every interface, IPv6 and IPv4, and means `0.0.0.0` where the system has no IPv6.',
  },
  platform: {
    flag: 'platform',
    env: ['__OW_RUNTIME_PLATFORM'],
    kind: WORD,
    default: 'openwhisk',
    sentence:
      'The platform whose requests are understood: openwhisk (POST /init and /run) or knative (everything at /), in any case of letters. Anything else counts as openwhisk, with a warning.',
  },
  protocol: {
    flag: 'protocol',
    env: ['HYPERSKELETON_PROTOCOL'],
    kind: choice('classic', 'actionloop'),
    default: 'classic',
    sentence:
      'How an action is run: classic starts `exec` for each activation, actionloop keeps it and sends it a line for each. Knative mode goes with classic only.',
  },
  actionRoot: {
    flag: 'action-root',
    env: ['HYPERSKELETON_ACTION_ROOT'],
    kind: PATH,
    derived: '/action in the image, elsewhere a private temporary folder',
    sentence: 'Folder of the action; it holds `exec`, and is the working directory of every run.',
  },
  engine: {
    flag: 'engine',
    env: ['HYPERSKELETON_ENGINE'],
    kind: choice('auto', 'forkserver', 'posix_spawn', 'child_process'),
    default: 'auto',
    sentence: 'How processes are started; auto takes the fastest that works here.',
  },
  http: {
    flag: 'http',
    env: ['HYPERSKELETON_HTTP'],
    kind: choice('auto', 'uws', 'node'),
    default: 'auto',
    sentence:
      "What speaks HTTP: uws is uWebSockets, the fastest; node is Node's own module, which takes what uWebSockets does not (docs/reference/http.md): HTTP/1.0, any number of headers, pipelining. auto takes uws, and node where uws can't be loaded.",
  },
  keepAliveMs: {
    flag: 'keep-alive-ms',
    env: ['HYPERSKELETON_KEEP_ALIVE_MS'],
    kind: integer(0, MAX_DELAY_MS),
    default: '100000',
    unit: 'milliseconds',
    sentence:
      'With the front end node: how long a connection is kept open between requests; 0 is no limit. It should be longer than proxies keep theirs, or they send requests into connections that are being closed: 60 s is usual, 90 s that of Go, and 610 s that of Google Cloud. uws closes after 8 to 12 s, and announces 7 s.',
  },
  stallTimeoutMs: {
    flag: 'stall-timeout-ms',
    env: ['HYPERSKELETON_STALL_TIMEOUT_MS'],
    kind: integer(0, MAX_DELAY_MS),
    default: '60000',
    unit: 'milliseconds',
    sentence:
      "How long nothing may come of a request's body, answered 408 then, and how long a client may take nothing of an answer of more than 64 KiB before the connection is closed; 0 is no limit. As long as anything moves there is none. Time in which the container is frozen does not count.",
  },
  actionUser: {
    flag: 'action-user',
    env: ['HYPERSKELETON_ACTION_USER'],
    kind: TEXT,
    sentence:
      "The user that actions run as, where the server is root: a name or a number, with `:` and a group or without; without one, the user's groups of /etc/passwd and /etc/group. The action folder and what an init installs belong to that user. Empty: the server's own user, whose processes actions may then signal (docs/guides/isolation.md).",
  },
  noNewPrivs: {
    flag: 'no-new-privs',
    env: ['HYPERSKELETON_NO_NEW_PRIVS'],
    kind: ON_OFF,
    derived: 'on where HYPERSKELETON_ACTION_USER is set, else off',
    sentence:
      'Whether set-user-ID programs and file capabilities give actions nothing (prctl(2), PR_SET_NO_NEW_PRIVS). Off as in dockerskeleton, where tools as su and ping work.',
  },
  actionLimits: {
    flag: 'action-rlimits',
    env: ['HYPERSKELETON_ACTION_RLIMITS'],
    kind: RESOURCE_LIMITS,
    default: '',
    sentence:
      "Resource limits of each process of an action (getrlimit(2)). Those that are not named are the server's own.",
  },
  threads: {
    flag: 'threads',
    env: ['HYPERSKELETON_THREADS'],
    kind: integer(1, MAX_THREADS),
    // Beyond four the start of processes, not the threads, is the limit.
    default: String(Math.min(availableParallelism(), 4)),
    derived: 'the number of CPUs, 4 at most',
    sentence:
      'The most worker threads. One is there from the start, the others come when it has too much to do. Each supervises any number of activations; a sleeping action takes none.',
  },
  maxInFlight: {
    flag: 'max-in-flight',
    env: ['HYPERSKELETON_MAX_IN_FLIGHT'],
    kind: integer(1, 65_536),
    derived: 'from the limits on open files and processes, 4096 at most',
    unit: 'activations',
    sentence: 'Activations that run at the same time; further ones wait in order of arrival.',
  },
  maxQueued: {
    flag: 'max-queued',
    env: ['HYPERSKELETON_MAX_QUEUED'],
    kind: integer(0, 1_000_000),
    derived: 'from the limit on open files, 4096 at most',
    unit: 'activations',
    sentence: 'Activations that may wait; one more is answered 429.',
  },
  memoryAdmission: {
    flag: 'memory-admission',
    env: ['HYPERSKELETON_MEMORY_ADMISSION'],
    kind: ON_OFF,
    default: 'on',
    sentence:
      "Whether no more activations run at the same time than the container's memory is enough for, by what those of this action were seen to use; further ones wait, instead of being killed. Only where the container has a limit on memory.",
  },
  loadShedding: {
    flag: 'load-shedding',
    env: ['HYPERSKELETON_LOAD_SHEDDING'],
    kind: ON_OFF,
    default: 'on',
    sentence:
      'Whether activations are answered 429 while for some time more of them come than the CPUs can do, so that those let in keep their latency. Bursts, actions that only wait, and callers who wait for their answers are not affected.',
  },
  direct: {
    flag: 'direct',
    env: ['HYPERSKELETON_DIRECT'],
    kind: ON_OFF,
    default: 'on',
    sentence:
      'Whether the main thread itself starts activations that come one at a time, from a prewarmed clone: a quarter faster than through a worker thread (docs/internals/engines.md).',
  },
  maxBodyBytes: {
    flag: 'max-body-bytes',
    env: ['HYPERSKELETON_MAX_BODY_BYTES'],
    kind: integer(1, MAX_BODY_BYTES),
    derived: '128 MiB (134217728), or HYPERSKELETON_MAX_BUFFERED_BYTES if that is less',
    sentence: 'Largest request body; a larger one is answered 413.',
  },
  maxBufferedBytes: {
    flag: 'max-buffered-bytes',
    env: ['HYPERSKELETON_MAX_BUFFERED_BYTES'],
    kind: integer(1, MAX_SAFE),
    derived:
      "half of the container's memory limit (of the machine's memory, if there is none) beyond 96 MiB, at least 8 MiB: 80 MiB in a container of 256 MiB",
    sentence:
      'Request bodies and results that the server holds at the same time, all together. A body that others leave no room for is answered 429, one that can never fit 413; a run whose result finds no room fails.',
  },
  maxResultBytes: {
    flag: 'max-result-bytes',
    env: ['HYPERSKELETON_MAX_RESULT_BYTES'],
    kind: integer(1, MAX_BODY_BYTES),
    default: String(64 * 1024 * 1024),
    unit: 'bytes',
    sentence: 'Longest last line of stdout; a longer one goes to the log and is no result.',
  },
  maxUnzippedBytes: {
    flag: 'max-unzipped-bytes',
    env: ['HYPERSKELETON_MAX_UNZIPPED_BYTES'],
    kind: integer(1, MAX_SAFE),
    default: String(512 * 1024 * 1024),
    unit: 'bytes',
    sentence:
      'What an archive may inflate to, by the bytes that really come out, headers and padding of a tar included.',
  },
  maxUnzipRatio: {
    flag: 'max-unzip-ratio',
    env: ['HYPERSKELETON_MAX_UNZIP_RATIO'],
    kind: integer(0, MAX_SAFE),
    default: '250',
    unit: 'times',
    sentence:
      'How many times its packed size an archive, or one entry of it, may inflate to beyond 64 MiB; 0 is no limit.',
  },
  maxEntries: {
    flag: 'max-entries',
    env: ['HYPERSKELETON_MAX_ENTRIES'],
    kind: integer(1, MAX_ENTRIES),
    default: '200000',
    unit: 'entries',
    sentence: 'Entries of an archive, and the folders that their paths imply.',
  },
  initTimeoutMs: {
    flag: 'init-timeout-ms',
    env: ['HYPERSKELETON_INIT_TIMEOUT_MS'],
    kind: integer(1, MAX_DELAY_MS),
    default: '300000',
    unit: 'milliseconds',
    sentence:
      'How long an init may take, from its turn on: unpacking, the compiler and the acknowledgement of an ActionLoop action included. Then it is ended, everything is as it was before, and it is answered 504. The default is the longest time limit that OpenWhisk gives an action, which is its limit for the init too. Time in which the container is frozen does not count.',
  },
  activationTimeoutMs: {
    flag: 'activation-timeout-ms',
    env: ['HYPERSKELETON_ACTIVATION_TIMEOUT_MS'],
    kind: integer(0, MAX_DELAY_MS),
    default: '0',
    unit: 'milliseconds',
    sentence:
      'How long an activation may take from its arrival, waiting included, before it is ended and answered 504; 0 is no limit. Time in which the container is frozen does not count.',
  },
  honorDeadline: {
    flag: 'honor-deadline',
    env: ['HYPERSKELETON_HONOR_DEADLINE'],
    kind: EXACTLY_ONE,
    default: '',
    sentence:
      'Exactly 1 makes the `deadline` that the platform sends with an activation end it as the time limit does.',
  },
  timeoutGraceMs: {
    flag: 'timeout-grace-ms',
    env: ['HYPERSKELETON_TIMEOUT_GRACE_MS'],
    kind: integer(0, MAX_DELAY_MS),
    default: '1000',
    unit: 'milliseconds',
    sentence: 'How long after SIGTERM the processes of an activation whose time is up are killed by SIGKILL.',
  },
  leftovers: {
    flag: 'leftovers',
    env: ['HYPERSKELETON_LEFTOVERS'],
    kind: choice('keep', 'group', 'all'),
    default: 'keep',
    sentence:
      "What becomes of processes that an activation leaves behind: keep lets them live on, group kills those of its process group, all kills every descendant, daemons with sessions of their own too. For hosts that different people's actions share, group is recommended.",
  },
  graceMs: {
    flag: 'grace-ms',
    env: ['HYPERSKELETON_GRACE_MS'],
    kind: integer(0, MAX_DELAY_MS),
    default: '25000',
    unit: 'milliseconds',
    sentence: 'How long after SIGTERM activations may run on before they are killed.',
  },
  drainMs: {
    flag: 'drain-ms',
    env: ['HYPERSKELETON_DRAIN_MS'],
    kind: integer(0, MAX_DELAY_MS),
    default: '1000',
    unit: 'milliseconds',
    sentence:
      'How long to wait for a result from processes that still hold stdout or stderr after `exec` has exited without one.',
  },
  allowReinit: {
    flag: 'allow-reinit',
    env: ['PROXY_ALLOW_REINIT'],
    kind: EXACTLY_ONE,
    default: '',
    sentence: 'Exactly 1 allows a further /init; anything else does not.',
  },
  metrics: {
    flag: 'metrics',
    env: ['HYPERSKELETON_METRICS'],
    kind: ON_OFF,
    default: 'on',
    sentence: 'Whether anything is counted, and GET /metrics is there.',
  },
  metricsPort: {
    flag: 'metrics-port',
    env: ['HYPERSKELETON_METRICS_PORT'],
    kind: integer(1, 65_535),
    sentence:
      'A port of its own for GET /metrics, /healthz and /readyz; then the main port has no /metrics, which whoever can call the action could read. In Knative mode, whose main port is public, /metrics is there only.',
  },
  metricsHosts: {
    flag: 'metrics-host',
    env: ['HYPERSKELETON_METRICS_HOST'],
    kind: HOSTS,
    derived: 'those of --host',
    sentence: 'Addresses for the metrics port, as --host takes them.',
  },
  allowedOrigins: {
    flag: 'allowed-origins',
    env: ['HYPERSKELETON_ALLOWED_ORIGINS'],
    kind: ORIGINS,
    default: '',
    sentence:
      "Origins of web pages that may send /init and /run, or `*` for every page; the flag may be repeated. Without it a request that a browser marks as another site's is answered 403 (C-SRV-04 in docs/reference/contract.md). Knative mode serves browsers and asks nobody. Nothing of CORS is answered.",
  },
  serverTiming: {
    flag: 'server-timing',
    env: ['HYPERSKELETON_SERVER_TIMING'],
    kind: ON_OFF,
    default: 'off',
    sentence:
      'Whether the answer to an activation tells in a Server-Timing header how long its phases took: queue, start, run, total, in milliseconds.',
  },
  tracing: {
    flag: 'tracing',
    env: ['HYPERSKELETON_TRACING'],
    kind: choice('own', 'otel'),
    default: 'own',
    sentence:
      "Whose the variables `OTEL_*` are: with own they are the action's alone and the server's traces follow --otlp-endpoint; with otel the server follows them too (docs/guides/tracing.md). The action gets them in any case.",
  },
  otlpEndpoint: {
    flag: 'otlp-endpoint',
    env: ['HYPERSKELETON_OTLP_ENDPOINT'],
    otelEnv: ['OTEL_EXPORTER_OTLP_ENDPOINT'],
    kind: HTTP_URL,
    sentence:
      'An OpenTelemetry collector that gets a trace of each activation and init, at `/v1/traces` below this address, as OTLP/JSON over HTTP; with --tracing otel also by OTEL_EXPORTER_OTLP_ENDPOINT. Without an address nothing is traced.',
  },
  otlpTracesEndpoint: {
    flag: 'otlp-traces-endpoint',
    env: ['HYPERSKELETON_OTLP_TRACES_ENDPOINT'],
    otelEnv: ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'],
    kind: HTTP_URL,
    sentence:
      'The same for traces alone, and it goes first: the whole address, to which nothing is added; with --tracing otel also by OTEL_EXPORTER_OTLP_TRACES_ENDPOINT.',
  },
  actionloopProcesses: {
    flag: 'actionloop-processes',
    env: ['HYPERSKELETON_ACTIONLOOP_PROCESSES'],
    kind: integer(1, 1024),
    default: '1',
    unit: 'processes',
    sentence:
      'ActionLoop: the most processes of the action. Further ones are started while activations wait, and ended when they have been idle. More than one split what the action keeps in memory.',
  },
  actionloopIsolation: {
    flag: 'actionloop-isolation',
    env: ['HYPERSKELETON_ACTIONLOOP_ISOLATION'],
    kind: choice('process', 'activation'),
    default: 'process',
    sentence:
      'ActionLoop: what activations share. process: the processes of the action, as the protocol has it. activation: nothing; each activation is a clone of a process that waits for its first line, or a new process where no clone can be had (docs/guides/snapshots.md).',
  },
  actionloopPipeline: {
    flag: 'actionloop-pipeline',
    env: ['HYPERSKELETON_ACTIONLOOP_PIPELINE'],
    kind: integer(1, 1024),
    default: '1',
    unit: 'activations',
    sentence:
      'ActionLoop: activations that one process may be given at a time. More than one is for actions that answer in order and never with more than one line, or that number their lines.',
  },
  actionloopCheckEvery: {
    flag: 'actionloop-check-every',
    env: ['HYPERSKELETON_ACTIONLOOP_CHECK_EVERY'],
    kind: integer(1, 1_000_000),
    default: '8',
    unit: 'requests',
    sentence:
      'ActionLoop: before each so many-th request it is looked whether the process waits for it, with nothing written that answers no request; before four times as many that is waited for. 1: before each, as for the first 1000 answers of a process and once the action has written a line too many.',
  },
  actionloopIdleMs: {
    flag: 'actionloop-idle-ms',
    env: ['HYPERSKELETON_ACTIONLOOP_IDLE_MS'],
    kind: integer(1, MAX_DELAY_MS),
    default: '60000',
    unit: 'milliseconds',
    sentence: 'ActionLoop: how long a process beyond the first may have nothing to do before it is ended.',
  },
  logLevel: {
    flag: 'log-level',
    env: ['HYPERSKELETON_LOG_LEVEL'],
    kind: choice('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    default: 'info',
    sentence: "Least severe records of the server's own log.",
  },
  logFile: {
    flag: 'log-file',
    env: ['HYPERSKELETON_LOG_FILE'],
    kind: PATH,
    sentence:
      "File for the server's own log. Without it the log goes to stderr where that is a terminal, else nowhere.",
  },
  logFormat: {
    flag: 'log-format',
    env: ['HYPERSKELETON_LOG_FORMAT'],
    kind: choice('auto', 'json', 'pretty'),
    default: 'auto',
    sentence:
      "How the records of the server's own log are written: json for programs, a line each; pretty for people; auto is pretty on a terminal and json in a file.",
  },
} as const satisfies Record<string, Setting<unknown>>;

/** The default of a setting as docs and help show it. */
export function describeDefault({ default: text = '', derived }: Setting<unknown>): string {
  return derived ?? (text === '' ? 'not set' : text);
}
