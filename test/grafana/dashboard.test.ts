import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dashboard, dashboardText, ROWS } from '../../grafana/dashboard.js';
import { queriesOf } from '../../grafana/verify/evaluate.js';
import { excuse, ONLY_ON_SOME_MACHINES, ONLY_WITH_FORK_SERVER } from '../../grafana/verify/excused.js';
import { anchorsOf } from '../support/anchors.js';
import { file } from '../support/repository.js';

const PANELS = ROWS.flatMap(({ panels }) => panels);

describe('grafana/dashboard.json', () => {
  it('is what the code emits; `npm run grafana` makes it anew', () => {
    expect(readFileSync(file('grafana/dashboard.json'), 'utf8')).toBe(dashboardText());
  });

  it('has the rows that whoever is on call looks for', () => {
    const rows = (dashboard().panels ?? []).filter(({ type }) => type === 'row');
    expect(rows.map(({ title }) => title)).toEqual([
      'Golden signals',
      'Where the time goes',
      'Cold starts and prewarming',
      'Saturation',
      "The action's own resources",
      "The runtime's health",
    ]);
  });

  it('lets a data source, jobs, actions and instances be chosen', () => {
    const names = (dashboard().templating.list ?? []).map(({ name }) => name);
    expect(names).toEqual(['datasource', 'job', 'action', 'instance', 'runbooks']);
  });

  it('gives each panel a place of its own: no gap, no overlap', () => {
    const taken = new Set<string>();
    let bottom = 0;
    for (const { gridPos } of dashboard().panels ?? []) {
      const { x, y, w, h } = gridPos ?? { x: 0, y: 0, w: 0, h: 0 };
      expect(x + w).toBeLessThanOrEqual(24);
      for (let column = x; column < x + w; column++) {
        for (let line = y; line < y + h; line++) {
          expect(taken.has(`${column},${line}`)).toBe(false);
          taken.add(`${column},${line}`);
        }
      }
      bottom = Math.max(bottom, y + h);
    }
    expect(taken.size).toBe(24 * bottom);
  });

  it('has a title of its own for each panel', () => {
    expect(new Set(PANELS.map(({ title }) => title)).size).toBe(PANELS.length);
  });

  it.each(PANELS)('says what to conclude from a panel, and filters it ($title)', (spec) => {
    expect(spec.description).toMatch(/\.$/);
    expect(spec.unit).not.toBe('');
    expect(spec.queries.length).toBeGreaterThan(0);
    for (const { expr, legend } of spec.queries) {
      expect(legend).not.toBe('');
      if (expr.includes('ALERTS')) {
        expect(expr).toContain('ALERTS{job=~"$job",');
        continue;
      }
      const selectors = expr.match(/\b(?:hyperskeleton|process|nodejs)_\w+(\{[^}]*\})?/g) ?? [];
      expect(selectors.length).toBeGreaterThan(0);
      for (const selector of selectors) {
        expect(selector).toContain('{job=~"$job",instance=~"$instance",action=~"$action"');
      }
    }
  });

  it.each(PANELS.filter(({ runbook }) => runbook !== undefined))(
    'links to a section of the runbooks that is there ($title)',
    ({ runbook }) => {
      expect(anchorsOf('docs/guides/runbooks.md')).toContain(runbook);
    },
  );

  it('excuses no panel that is not there', () => {
    const queries = queriesOf(dashboard());
    const names = queries.flatMap(({ panel, refId }) => [panel, `${panel} ${refId}`]);
    for (const excused of Object.keys({ ...ONLY_WITH_FORK_SERVER, ...ONLY_ON_SOME_MACHINES })) {
      expect(names).toContain(excused);
    }
  });

  it('excuses the panels of the fork server only where the server has another engine', () => {
    for (const panel of Object.keys(ONLY_WITH_FORK_SERVER)) {
      expect(excuse(panel, 'A', 'posix_spawn')).toBeDefined();
      expect(excuse(panel, 'A', 'forkserver')).toBeUndefined();
    }
  });

  it('shows single activations among the percentiles of durations', () => {
    const withExemplars = (dashboard().panels ?? []).flatMap((panel) =>
      'targets' in panel && panel.targets?.some((target) => (target as { exemplar?: boolean }).exemplar)
        ? [panel.title]
        : [],
    );
    expect(withExemplars).toEqual(['Duration', 'p99 by phase']);
  });
});
