/** Where spans go, and what of OpenTelemetry's variables can't be done as they say. */
interface ExporterEndpoint {
  /** Undefined: nowhere. */
  readonly url: string | undefined;
  /** For the log: each is a setting that asks for something else. */
  readonly warnings: readonly string[];
}

/** The addresses that the configuration has. */
export interface Endpoints {
  /** The collector's base address: traces go to `/v1/traces` below it. */
  readonly base: string | undefined;
  /** The address for traces itself, which goes first. */
  readonly traces: string | undefined;
  /** Whether OpenTelemetry's own variables are the server's; otherwise they are the action's alone. */
  readonly otelVariables?: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

const NO_ENDPOINT: ExporterEndpoint = { url: undefined, warnings: [] };

/**
 * Where traces go, by the addresses and by those variables of OpenTelemetry that decide whether and how they are sent.
 * What is not spoken here leads nowhere, with a remark: a server that starts is worth more than its traces.
 */
export function resolveExporterEndpoint(
  { base, traces }: Endpoints,
  environment: Environment,
): ExporterEndpoint {
  const url = traces ?? (base === undefined ? undefined : `${base.replace(/\/+$/, '')}/v1/traces`);
  if (url === undefined || isTrue(environment.OTEL_SDK_DISABLED)) return NO_ENDPOINT;
  const exporters = wordsOf(environment.OTEL_TRACES_EXPORTER);
  if (exporters.includes('none')) return NO_ENDPOINT;
  if (exporters.length > 0 && !exporters.includes('otlp')) {
    return refused(`OTEL_TRACES_EXPORTER=${exporters.join(',')}: only otlp and none are known`);
  }
  const [name, protocol] = protocolOf(environment);
  if (protocol !== undefined && !protocol.startsWith('http/')) {
    return refused(`${name}=${protocol}: only OTLP over HTTP is spoken, at the collector's port 4318`);
  }
  const warnings = [];
  if (protocol !== undefined && protocol !== 'http/json') {
    warnings.push(`${name}=${protocol}: sent as http/json, which collectors take at the same address`);
  }
  const propagators = wordsOf(environment.OTEL_PROPAGATORS);
  if (propagators.length > 0 && !propagators.includes('tracecontext')) {
    warnings.push(`OTEL_PROPAGATORS=${propagators.join(',')}: only tracecontext is known, and stays in use`);
  }
  return { url, warnings };
}

function refused(warning: string): ExporterEndpoint {
  return { url: undefined, warnings: [`${warning}; nothing is traced`] };
}

/** The variable for traces goes before the one for all signals; an empty one is as good as none. */
function protocolOf(environment: Environment): [name: string, protocol: string | undefined] {
  const own = 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL';
  const [protocol] = wordsOf(environment[own]);
  if (protocol !== undefined) return [own, protocol];
  const all = 'OTEL_EXPORTER_OTLP_PROTOCOL';
  return [all, wordsOf(environment[all])[0]];
}

function wordsOf(list: string | undefined): string[] {
  return (list ?? '')
    .split(',')
    .map((word) => word.trim().toLowerCase())
    .filter(Boolean);
}

function isTrue(text: string | undefined): boolean {
  return text?.trim().toLowerCase() === 'true';
}
