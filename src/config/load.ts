import { resolve } from 'node:path';

import type { ResourceLimit } from '../os/rights.js';
import { describeAllowed, isValidSetting, splitList } from './kinds.js';
import { LIMITS_FORMAT, parseResourceLimits } from './resource-limits.js';
import { defaultThreads, SETTINGS, type Setting, type SettingKey } from './settings.js';

/** How actions are run. */
type Protocol = 'classic' | 'actionloop';

/** How the server's own log is written. */
export type LogFormat = 'auto' | 'json' | 'pretty';

/** What becomes of the processes that an activation leaves behind (C-RUN-25). */
type LeftoversPolicy = 'keep' | 'group' | 'all';

/** The settings as the server uses them. */
export interface Config {
  readonly port: number;
  /** Undefined: by whether this is a container. */
  readonly hosts: readonly string[] | undefined;
  /** Undefined: those of the main port. */
  readonly metricsHosts: readonly string[] | undefined;
  /** Origins in their serialised form (RFC 6454, section 6.2), or `*`. */
  readonly allowedOrigins: readonly string[];
  /** Whether everything is served at `/` (C-KN-01 to C-KN-21). */
  readonly knative: boolean;
  /** What __OW_RUNTIME_PLATFORM said where it named no platform; lower case. */
  readonly unknownPlatform: string | undefined;
  readonly protocol: Protocol;
  /** Absolute; undefined: a private temporary folder. */
  readonly actionRoot: string | undefined;
  readonly engine: EngineChoice;
  readonly http: FrontEndName | 'auto';
  /** Between requests on a kept connection; 0: no limit. */
  readonly keepAliveMs: number;
  /** Amid a request's body or a large answer; 0: no limit. */
  readonly stallTimeoutMs: number;
  /** Who actions run as, as it was given; undefined: the server's own user. */
  readonly actionUser: string | undefined;
  readonly noNewPrivs: boolean;
  /** What differs from the server's own. */
  readonly actionLimits: readonly ResourceLimit[];
  readonly threads: number;
  /** Undefined: derived from the system's limits. */
  readonly maxInFlight: number | undefined;
  /** Undefined: derived from the system's limits. */
  readonly maxQueued: number | undefined;
  readonly memoryAdmission: boolean;
  readonly loadShedding: boolean;
  /** Whether an activation that comes alone is started by the main thread. */
  readonly direct: boolean;
  /** Undefined: 128 MiB, less if the memory does not allow it. */
  readonly maxBodyBytes: number | undefined;
  /** Of request bodies and results; undefined: derived from the memory limit. */
  readonly maxBufferedBytes: number | undefined;
  readonly maxResultBytes: number;
  readonly maxUnzippedBytes: number;
  readonly maxEntries: number;
  /** 0: any. */
  readonly maxUnzipRatio: number;
  readonly initTimeoutMs: number;
  /** 0: no limit. */
  readonly activationTimeoutMs: number;
  readonly honorDeadline: boolean;
  readonly timeoutGraceMs: number;
  readonly leftovers: LeftoversPolicy;
  readonly graceMs: number;
  readonly drainMs: number;
  readonly allowReinit: boolean;
  readonly metrics: boolean;
  /** Undefined: the main port. */
  readonly metricsPort: number | undefined;
  readonly actionloop: ActionLoopConfig;
  /** Whether answers to activations tell how long their phases took. */
  readonly serverTiming: boolean;
  /** Whether OpenTelemetry's own variables count for the server's traces. */
  readonly otelVariables: boolean;
  /** The collector's base address; undefined for none. */
  readonly otlpEndpoint: string | undefined;
  /** The whole address for traces, which goes first; undefined for none. */
  readonly otlpTracesEndpoint: string | undefined;
  readonly logLevel: string;
  /** Absolute; undefined: no file. */
  readonly logFile: string | undefined;
  readonly logFormat: LogFormat;
}

/** The settings of the ActionLoop protocol (C-AL-01 to C-AL-23). */
export interface ActionLoopConfig {
  /** What an activation shares with others: its process, or nothing. */
  readonly isolation: 'process' | 'activation';
  readonly processes: number;
  readonly pipeline: number;
  readonly checkEvery: number;
  readonly idleMs: number;
}

/** Flags as parsed: the text after `--flag`. */
export type Flags = Readonly<Record<string, string | undefined>>;
type Environment = Readonly<Record<string, string | undefined>>;

interface Source {
  readonly name: string;
  readonly text: string;
}

/**
 * Reads every setting from flags, then environment, then defaults, and checks them all.
 *
 * @returns the frozen configuration, or every fault, each naming its source, its value and what is allowed
 */
export function loadConfig(flags: Flags, environment: Environment): Config | { readonly problems: string[] } {
  const problems: string[] = [];
  const platform = (
    sourceOf(SETTINGS.platform, flags, environment, NEITHER)?.text ?? SETTINGS.platform.default
  ).toLowerCase();
  const knative = platform === 'knative';
  const otel = sourceOf(SETTINGS.tracing, flags, environment, NEITHER)?.text === 'otel';
  const text = (key: SettingKey): string => {
    const source = sourceOf(SETTINGS[key], flags, environment, { knative, otel });
    const problem = problemOf(SETTINGS[key], source);
    if (problem !== undefined) problems.push(problem);
    return source?.text ?? SETTINGS[key].default ?? '';
  };
  const number = (key: SettingKey): number => Number(text(key));
  const optionalPath = (value: string): string | undefined => (value === '' ? undefined : resolve(value));
  const optionalText = (value: string): string | undefined => (value === '' ? undefined : value);
  const optionalNumber = (value: string): number | undefined => (value === '' ? undefined : Number(value));
  const optionalList = (value: string): string[] | undefined => (value === '' ? undefined : splitList(value));
  const limits = parseResourceLimits(text('actionRlimits'));
  if (limits === undefined) {
    const source = sourceOf(SETTINGS.actionRlimits, flags, environment, { knative, otel });
    problems.push(`${source?.name}=${JSON.stringify(source?.text)}: must be ${LIMITS_FORMAT}`);
  }
  const config: Config = {
    port: number('port'),
    hosts: optionalList(text('host')),
    metricsHosts: optionalList(text('metricsHost')),
    allowedOrigins: splitList(text('allowedOrigins')),
    knative,
    unknownPlatform: knative || platform === 'openwhisk' ? undefined : platform,
    protocol: text('protocol') as Protocol,
    actionRoot: optionalPath(text('actionRoot')),
    engine: text('engine') as EngineChoice,
    http: text('http') as FrontEndName | 'auto',
    keepAliveMs: number('keepAliveMs'),
    stallTimeoutMs: number('stallTimeoutMs'),
    actionUser: optionalText(text('actionUser')),
    noNewPrivs: (optionalText(text('noNewPrivs')) ?? (text('actionUser') === '' ? 'off' : 'on')) === 'on',
    actionLimits: limits ?? [],
    threads: optionalNumber(text('threads')) ?? defaultThreads(),
    maxInFlight: optionalNumber(text('maxInFlight')),
    maxQueued: optionalNumber(text('maxQueued')),
    memoryAdmission: text('memoryAdmission') === 'on',
    loadShedding: text('loadShedding') === 'on',
    direct: text('direct') === 'on',
    maxBodyBytes: optionalNumber(text('maxBodyBytes')),
    maxBufferedBytes: optionalNumber(text('maxBufferedBytes')),
    maxResultBytes: number('maxResultBytes'),
    maxUnzippedBytes: number('maxUnzippedBytes'),
    maxEntries: number('maxEntries'),
    maxUnzipRatio: number('maxUnzipRatio'),
    initTimeoutMs: number('initTimeoutMs'),
    activationTimeoutMs: number('activationTimeoutMs'),
    honorDeadline: text('honorDeadline') === '1',
    timeoutGraceMs: number('timeoutGraceMs'),
    leftovers: text('leftovers') as LeftoversPolicy,
    graceMs: number('graceMs'),
    drainMs: number('drainMs'),
    allowReinit: text('allowReinit') === '1',
    metrics: text('metrics') === 'on',
    metricsPort: optionalNumber(text('metricsPort')),
    actionloop: {
      isolation: text('actionloopIsolation') as ActionLoopConfig['isolation'],
      processes: number('actionloopProcesses'),
      pipeline: number('actionloopPipeline'),
      checkEvery: number('actionloopCheckEvery'),
      idleMs: number('actionloopIdleMs'),
    },
    serverTiming: text('serverTiming') === 'on',
    otelVariables: text('tracing') === 'otel',
    otlpEndpoint: optionalText(text('otlpEndpoint')),
    otlpTracesEndpoint: optionalText(text('otlpTracesEndpoint')),
    logLevel: text('logLevel'),
    logFile: optionalPath(text('logFile')),
    logFormat: text('logFormat') as LogFormat,
  };
  if (knative && config.protocol === 'actionloop') {
    problems.push(
      'Knative mode goes with the classic protocol only: __OW_RUNTIME_PLATFORM and HYPERSKELETON_PROTOCOL contradict each other',
    );
  }
  if (config.metricsPort !== undefined && config.metricsPort === config.port) {
    problems.push(`the metrics can't have the port of the actions, ${config.port}`);
  }
  return problems.length > 0 ? { problems } : Object.freeze(config);
}

/** What decides which variables a setting comes from. */
interface Modes {
  readonly knative: boolean;
  readonly otel: boolean;
}

const NEITHER: Modes = { knative: false, otel: false };

/** Where a setting's text comes from; a variable that is empty counts as not set. */
function sourceOf(
  setting: Setting,
  flags: Flags,
  environment: Environment,
  { knative, otel }: Modes,
): Source | undefined {
  const flag = flags[setting.flag];
  if (flag !== undefined) return { name: `--${setting.flag}`, text: flag };
  const names = (knative ? setting.knativeEnv : undefined) ?? setting.env;
  for (const name of [...names, ...((otel ? setting.otelEnv : undefined) ?? [])]) {
    const text = environment[name];
    if (text !== undefined && text !== '') return { name, text };
  }
  return undefined;
}

function problemOf({ kind }: Setting, source: Source | undefined): string | undefined {
  if (source === undefined) return undefined;
  const allowed = describeAllowed(kind);
  if (allowed === undefined || isValidSetting(kind, source.text)) return undefined;
  return `${source.name}=${JSON.stringify(source.text)}: must be ${allowed}`;
}

/** The engine settings: `auto` takes the best that works. */
export type EngineChoice = 'auto' | 'forkserver' | 'posix_spawn' | 'child_process';

/** The front ends, by the names that the setting has for them. */
export type FrontEndName = 'uws' | 'node';
