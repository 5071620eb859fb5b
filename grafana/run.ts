import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { table } from '../bench/support/table.js';
import { dashboard } from './dashboard.js';
import { picture } from './picture/picture.js';
import { evaluate, type PanelResult, queriesOf } from './verify/evaluate.js';
import { load, startServers } from './verify/load.js';
import { hasPrometheus, type LoadedRule, Prometheus } from './verify/prometheus.js';
import { resultRow } from './verify/result-row.js';
import { valuesOf } from './verify/variables.js';

const USAGE = `Runs the server under load with a real Prometheus, evaluates every query of the dashboard, tests the
alerts, and draws the result.

usage: npm run observability -- [options]
  --seconds S   how long the load lasts (default 90)
  --scrape S    how often is scraped (default 2)
  --svg FILE    where the picture goes (default docs/images/dashboard.svg)
  --cost        measures the throughput with metrics on and off in turns, too
`;

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '90' },
    scrape: { type: 'string', default: '2' },
    svg: { type: 'string', default: 'docs/images/dashboard.svg' },
    cost: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** What the run gave: the exit status is 1 where anything is wrong. */
interface Outcome {
  readonly results: readonly PanelResult[];
  readonly rules: readonly LoadedRule[];
  readonly metrics: string;
}

async function main(): Promise<number> {
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (!hasPrometheus()) throw new Error("this needs Debian's package prometheus");
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-observability-'));
  try {
    const { results, rules, metrics } = await underLoad(folder);
    say(table(['row', 'panel', '', 'series', 'points', 'last', ''], results.map(resultRow)));
    const firing = rules.filter(({ type, state }) => type === 'alerting' && state !== 'inactive');
    say(
      `\nRules: ${rules.length} loaded, ${rules.filter(({ health }) => health === 'ok').length} evaluated well.`,
    );
    say(`Alerts raised by this load: ${firing.map(({ name, state }) => `${name} (${state})`).join(', ')}\n`);
    const failed = [
      promtool(['check', 'rules', 'grafana/rules.yml', 'grafana/alerts.yml']),
      promtool(['test', 'rules', ...readdirSync('grafana/tests').map((name) => `grafana/tests/${name}`)]),
      promtool(['check', 'metrics'], metrics),
    ].filter((status) => status !== 0);
    if (options.cost) measureCost();
    const wrong = results.filter(({ problem }) => problem !== undefined);
    return wrong.length + failed.length + rules.filter(({ health }) => health !== 'ok').length > 0 ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function underLoad(folder: string): Promise<Outcome> {
  const [seconds, scrapeSeconds] = [Number(options.seconds), Number(options.scrape)];
  const servers = await startServers(folder);
  let prometheus: Prometheus | undefined;
  try {
    const own = join(folder, 'prometheus');
    mkdirSync(own);
    const job = 'hyperskeleton';
    prometheus = await Prometheus.start({
      folder: own,
      scrapeSeconds,
      targets: [
        { port: servers.classic.port, job, action: 'classic' },
        { port: servers.loop.port, job, action: 'loop' },
      ],
      rules: ['grafana/rules.yml', 'grafana/alerts.yml'].map((path) => resolve(path)),
    });
    // A rate needs a few scrapes before its first point.
    const from = Math.floor(Date.now() / 1000) + 4 * scrapeSeconds;
    await load(servers, seconds);
    await delay(scrapeSeconds * 1000);
    const engine = await servers.classic.engine();
    const stretch = { from, to: Math.floor(Date.now() / 1000), stepSeconds: scrapeSeconds, engine };
    const values = await valuesOf(dashboard(), prometheus, scrapeSeconds);
    const results = await evaluate(queriesOf(dashboard()), prometheus, values, stretch);
    const svg = picture(results, stretch, {
      title: 'Hyperskeleton: what the dashboard shows',
      subtitle: `The queries of grafana/dashboard.json, answered by Prometheus and drawn by npm run observability, not by Grafana. A classic and an ActionLoop server, ${seconds} s of mixed load; engine ${engine}, Node ${process.version}, ${cpus().length} CPUs.`,
    });
    writeFileSync(options.svg, svg);
    return { results, rules: await prometheus.rules(), metrics: await servers.classic.metrics() };
  } finally {
    await prometheus?.stop();
    await servers.stop();
  }
}

function promtool(args: readonly string[], input = ''): number {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  say(`$ promtool ${args.join(' ')}\n${stdout}${stderr}exit status ${status}\n`);
  return status ?? 1;
}

function measureCost(): void {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['dist/bench/goals.js', '--only', 'metrics-cost', '--rounds', '7'],
    { encoding: 'utf8' },
  );
  say(`${stdout}${stderr}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

process.exitCode = await main();
