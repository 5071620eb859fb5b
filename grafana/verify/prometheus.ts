import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../conformance/target/free-port.js';

const START_TIMEOUT_MS = 20_000;

/** A server that is scraped. */
interface Target {
  readonly port: number;
  readonly job: string;
  /** The label that the dashboard filters by. */
  readonly action?: string;
}

/** What a Prometheus is started with. */
interface PrometheusOptions {
  /** An empty folder of the caller's. */
  readonly folder: string;
  readonly targets: readonly Target[];
  readonly scrapeSeconds: number;
  /** Files of rules, absolute. */
  readonly rules?: readonly string[];
}

/** One series of an answer: its labels, and the points as seconds and value. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [seconds: number, value: number])[];
}

/** A rule as Prometheus has loaded it. */
export interface LoadedRule {
  readonly name: string;
  readonly type: 'alerting' | 'recording';
  readonly health: string;
  readonly lastError?: string;
  readonly state?: string;
}

/** Whether Debian's package is here. */
export function hasPrometheus(): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v prometheus && command -v promtool'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A Prometheus process of our own, on a free port of the loopback interface. */
export class Prometheus {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(url: string, process: ChildProcess) {
    this.url = url;
    this.#process = process;
  }

  /** Starts it and resolves once it answers. */
  static async start(options: PrometheusOptions): Promise<Prometheus> {
    const port = await freePort();
    const config = join(options.folder, 'prometheus.yml');
    // JSON is YAML, too.
    writeFileSync(config, JSON.stringify(configOf({ ...options, targets: [...options.targets] }, port)));
    const data = join(options.folder, 'data');
    mkdirSync(data);
    const log = openSync(join(options.folder, 'prometheus.log'), 'w');
    const child = spawn(
      'prometheus',
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${data}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--enable-feature=exemplar-storage',
      ],
      { stdio: ['ignore', log, log] },
    );
    closeSync(log);
    const server = new Prometheus(`http://127.0.0.1:${port}`, child);
    try {
      await server.#ready();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Evaluates a query over a time, both ends in seconds since 1970. @throws Error when it is no valid query */
  async range(expr: string, from: number, to: number, stepSeconds: number): Promise<Series[]> {
    const data = await this.#get<{
      result: { metric: Record<string, string>; values: [number, string][] }[];
    }>('query_range', { query: expr, start: String(from), end: String(to), step: String(stepSeconds) });
    return data.result.map(({ metric, values }) => ({
      metric,
      values: values.map(([at, value]) => [at, numberOf(value)] as const),
    }));
  }

  /** The values that a label has in the series of a selector. */
  labelValues(label: string, selector: string): Promise<string[]> {
    return this.#get<string[]>(`label/${label}/values`, { 'match[]': selector });
  }

  /** The rules it has loaded, with how their last evaluation went. */
  async rules(): Promise<LoadedRule[]> {
    const data = await this.#get<{ groups: { rules: LoadedRule[] }[] }>('rules', {});
    return data.groups.flatMap(({ rules }) => rules);
  }

  /** Ends it. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }

  async #get<Data>(path: string, parameters: Readonly<Record<string, string>>): Promise<Data> {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const answer = (await response.json()) as { status: string; error?: string; data: Data };
    if (answer.status !== 'success') throw new Error(`${answer.error}: ${JSON.stringify(parameters)}`);
    return answer.data;
  }

  async #ready(): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      if (this.#process.exitCode !== null) throw new Error(`prometheus ended: ${this.#process.exitCode}`);
      const ready = await fetch(`${this.url}/-/ready`).catch(() => undefined);
      if (ready?.ok) return;
      if (Date.now() > deadline) throw new Error('prometheus does not become ready');
      await delay(50);
    }
  }
}

function configOf({ targets, scrapeSeconds, rules }: PrometheusOptions, own: number): object {
  const interval = `${scrapeSeconds}s`;
  // It scrapes itself as well: a dashboard that takes in the process_* of other programs shows in the tests.
  const all: readonly Target[] = [...targets, { port: own, job: 'prometheus' }];
  return {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: rules ?? [],
    scrape_configs: [...new Set(all.map(({ job }) => job))].map((job) => ({
      job_name: job,
      static_configs: all
        .filter((target) => target.job === job)
        .map(({ port, action }) => ({
          targets: [`127.0.0.1:${port}`],
          ...(action === undefined ? {} : { labels: { action } }),
        })),
    })),
  };
}

/** As Prometheus writes it. */
function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}
