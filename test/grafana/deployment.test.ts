import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { withoutPrometheus } from '../support/prometheus-here.js';
import { file } from '../support/repository.js';

const CONFIGS = ['grafana/prometheus.yml', 'grafana/prometheus-compose.yml'];

function text(path: string): string {
  return readFileSync(file(path), 'utf8');
}

describe('compose.yaml and what it mounts', () => {
  const compose = text('compose.yaml');

  it('mounts only what is there', () => {
    const mounts = [...compose.matchAll(/^ +- \.\/([^:]+):/gm)].map(([, path = '']) => path);
    expect(mounts).toHaveLength(5);
    for (const path of mounts) expect(existsSync(file(path)), path).toBe(true);
  });

  it('publishes nothing beyond this machine', () => {
    const ports = [...compose.matchAll(/^ +- ([\d.:]+:\d+)$/gm)].map(([, port]) => port);
    expect(ports).toHaveLength(3);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it('scrapes the port that the server is told to have', () => {
    expect(compose).toMatch(/HYPERSKELETON_METRICS_PORT: '9464'/);
    for (const path of CONFIGS) expect(text(path)).toContain(":9464'");
  });

  it('has the same configuration for Prometheus by hand and in a container, but for the target', () => {
    const [byHand, inContainer] = CONFIGS.map((path) =>
      text(path)
        .replace(/^ *#.*\n/gm, '')
        .replace(/(127\.0\.0\.1|hyperskeleton):9464/, 'target'),
    );
    expect(inContainer).toBe(byHand);
  });

  it('provisions the data source that the scrape interval and the folder of the dashboard fit', () => {
    expect(text('grafana/provisioning/datasources/prometheus.yml')).toMatch(/timeInterval: 5s$/m);
    expect(text(CONFIGS[0] as string)).toMatch(/scrape_interval: 5s$/m);
    const [, folder] = /path: (\S+)/.exec(text('grafana/provisioning/dashboards/hyperskeleton.yml')) ?? [];
    expect(compose).toContain(`./grafana/dashboard.json:${folder}/dashboard.json:ro`);
  });

  it.skipIf(withoutPrometheus()).each(CONFIGS)(
    'has a configuration that promtool finds valid (%s)',
    (path) => {
      const found = execFileSync('promtool', ['check', 'config', file(path)], { encoding: 'utf8' });
      expect(found).toContain('2 rule files found');
      expect(found.match(/SUCCESS/g)?.length).toBeGreaterThanOrEqual(3);
    },
  );
});
