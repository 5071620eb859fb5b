import { type ConfigOf, SETTINGS, type Setting } from './settings.js';

/** The settings as the server uses them, by the keys of {@link SETTINGS}. */
export type Config = ConfigOf<typeof SETTINGS>;

/** Flags as parsed: the text after `--flag`. */
export type Flags = Readonly<Record<string, string | undefined>>;
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads every setting from flags, then environment, then defaults, and checks them all.
 *
 * @returns the frozen configuration, or every fault, each naming its source, its value and what is allowed
 */
export function loadConfig(flags: Flags, environment: Environment): Config | { readonly problems: string[] } {
  const problems: string[] = [];
  const read = <Value>(setting: Setting<Value>, modes: Modes): Value | undefined => {
    const source = sourceOf(setting, flags, environment, modes);
    const text = source?.text ?? setting.default;
    const value = text === undefined ? undefined : setting.kind.parse(text);
    if (source !== undefined && value === undefined && setting.kind.allowed !== undefined)
      problems.push(`${source.name}=${JSON.stringify(source.text)}: must be ${setting.kind.allowed}`);
    return value;
  };
  const platform = sourceOf(SETTINGS.platform, flags, environment, NEITHER);
  const tracing = sourceOf(SETTINGS.tracing, flags, environment, NEITHER);
  const modes = { knative: platform?.text.toLowerCase() === 'knative', otel: tracing?.text === 'otel' };
  const values = Object.entries<Setting<unknown>>(SETTINGS).map(([key, setting]) => [
    key,
    read(setting, modes),
  ]);
  const config = Object.freeze(Object.fromEntries(values)) as Config;
  if (modes.knative && config.protocol === 'actionloop') {
    problems.push(
      'Knative mode goes with the classic protocol only: __OW_RUNTIME_PLATFORM and HYPERSKELETON_PROTOCOL contradict each other',
    );
  }
  if (config.metricsPort !== undefined && config.metricsPort === config.port) {
    problems.push(`the metrics can't have the port of the actions, ${config.port}`);
  }
  return problems.length > 0 ? { problems } : config;
}

/** What decides which variables a setting comes from. */
interface Modes {
  readonly knative: boolean;
  readonly otel: boolean;
}

const NEITHER: Modes = { knative: false, otel: false };

interface Source {
  readonly name: string;
  readonly text: string;
}

/** Where a setting's text comes from; a variable that is empty counts as not set. */
function sourceOf(
  setting: Setting<unknown>,
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
