import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dashboard } from '../../grafana/dashboard.js';
import { evaluate, type PanelQuery, queriesOf, type Stretch } from '../../grafana/verify/evaluate.js';
import { load, type Servers, startServers } from '../../grafana/verify/load.js';
import { Prometheus } from '../../grafana/verify/prometheus.js';
import { type Values, valuesOf } from '../../grafana/verify/variables.js';
import { withoutPrometheus } from '../support/prometheus-here.js';
import { file } from '../support/repository.js';

const LOAD_SECONDS = 15;
const RULES = ['grafana/rules.yml', 'grafana/alerts.yml'].map(file);

describe.skipIf(withoutPrometheus())(
  'with a real Prometheus that has scraped both servers under load',
  () => {
    let folder: string;
    let servers: Servers | undefined;
    let prometheus: Prometheus;
    let stretch: Stretch;
    let values: Values;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-grafana-'));
      const started = await startServers(folder);
      servers = started;
      const own = join(folder, 'prometheus');
      mkdirSync(own);
      const job = 'hyperskeleton';
      prometheus = await Prometheus.start({
        folder: own,
        targets: [
          { port: started.classic.port, job, action: 'classic' },
          { port: started.loop.port, job, action: 'loop' },
        ],
        scrapeSeconds: 1,
        rules: RULES,
      });
      const from = Math.floor(Date.now() / 1000);
      await load(started, LOAD_SECONDS);
      // The last scrape is to have the end of the load.
      await delay(1500);
      const engine = await started.classic.engine();
      stretch = { from, to: Math.floor(Date.now() / 1000), stepSeconds: 1, engine };
      values = await valuesOf(dashboard(), prometheus, 1);
    }, 120_000);

    afterAll(async () => {
      await prometheus?.stop();
      await servers?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    it('has a finite point for every query of every panel', { timeout: 60_000 }, async () => {
      const results = await evaluate(queriesOf(dashboard()), prometheus, values, stretch);
      const wrong = results.filter(({ problem }) => problem !== undefined);
      expect(wrong.map(({ panel, refId, problem }) => `${panel} ${refId}: ${problem}`)).toEqual([]);
    });

    it.each([
      ['a metric that is not there', 'sum(rate(hyperskeleton_activation_total[4s]))'],
      ['one that a sum hides', 'sum(hyperskeleton_activations_in_flight) or sum(hyperskeleton_in_flight)'],
      ['a label that is not there', 'sum(rate(hyperskeleton_activations_total{result="ok"}[4s]))'],
      [
        'nothing but division by zero',
        'sum(hyperskeleton_workers_lost_total) / sum(hyperskeleton_workers_lost_total)',
      ],
      ['no query at all', 'sum(rate(hyperskeleton_activations_total[4s])'],
    ])('finds a wrong query: %s', async (_, expr) => {
      const query: PanelQuery = {
        row: '',
        panel: 'wrong',
        kind: 'stat',
        unit: '',
        refId: 'A',
        expr,
        legend: '',
      };
      const [result] = await evaluate([query], prometheus, values, stretch);
      expect(result?.problem).toBeDefined();
    });

    it('offers both actions and no other job for choice', () => {
      expect(values.get('job')).toBe('hyperskeleton');
    });

    it('evaluates every rule and alert without an error', async () => {
      const rules = await prometheus.rules();
      expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
      expect(rules.filter(({ type }) => type === 'alerting').length).toBeGreaterThan(10);
    });

    it('records ratios of what was measured', async () => {
      const { from, to, stepSeconds } = stretch;
      for (const record of ['runtime_failures', 'slow_starts', 'action_failures']) {
        const found = await prometheus.range(`hyperskeleton:${record}:ratio_rate5m`, from, to, stepSeconds);
        const actions = new Set(found.map(({ metric }) => metric.action));
        expect([...actions].sort(), record).toEqual(['classic', 'loop']);
      }
    });

    it('raises an alert: the queue overflowed', async () => {
      const refusing = (await prometheus.rules()).find(({ name }) => name === 'HyperskeletonRefusing');
      expect(refusing?.state).toMatch(/^(pending|firing)$/);
    });

    it('exposes metrics that promtool finds well named', async () => {
      const text = await (servers as Servers).classic.metrics();
      const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
        input: text,
        encoding: 'utf8',
      });
      expect(`${stdout}${stderr}`).toBe('');
      expect(status).toBe(0);
    });

    it('has a promtool that finds what is badly named', () => {
      expect(() =>
        execFileSync('promtool', ['check', 'metrics'], {
          input: '# TYPE bad_total gauge\nbad_total 1\n',
          stdio: 'pipe',
        }),
      ).toThrow();
    });
  },
);
