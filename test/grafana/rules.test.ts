import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ROWS } from '../../grafana/dashboard.js';
import { anchorsOf } from '../support/anchors.js';
import { withoutPrometheus } from '../support/prometheus-here.js';
import { file } from '../support/repository.js';

const TEXT = readFileSync(file('grafana/alerts.yml'), 'utf8');

/** The alerts, each with the lines that belong to it. */
const ALERTS = TEXT.split(/^ +- alert: /m)
  .slice(1)
  .map((text) => ({ name: /^\w+/.exec(text)?.[0] ?? '', text }));
const TESTS = readdirSync(file('grafana/tests')).map((name) => file(`grafana/tests/${name}`));
const TEST_TEXT = TESTS.map((path) => readFileSync(path, 'utf8')).join('\n');

describe('grafana/alerts.yml', () => {
  it.each(ALERTS)('$name has a summary, a severity and a section of the runbooks', ({ text }) => {
    expect(text).toMatch(/^ +severity: (critical|warning)$/m);
    expect(text).toMatch(/^ +summary: \S+/m);
    const [, anchor] = /^ +runbook_url: docs\/guides\/runbooks\.md#([\w-]+)$/m.exec(text) ?? [];
    expect(anchorsOf('docs/guides/runbooks.md')).toContain(anchor);
  });

  it.each(ALERTS)('$name is tested to be raised, and not to be raised', ({ name }) => {
    const checks = TEST_TEXT.split(/^ +- eval_time: .*\n/m).filter((check) =>
      new RegExp(`^ +alertname: ${name}$`, 'm').test(check),
    );
    expect(checks.some((check) => check.includes('exp_alerts: []'))).toBe(true);
    expect(checks.some((check) => check.includes('exp_labels'))).toBe(true);
  });

  it('leaves no section of the runbooks that neither an alert nor a panel leads to', () => {
    const led = new Set([
      ...[...TEXT.matchAll(/runbooks\.md#([\w-]+)/g)].map(([, anchor]) => anchor),
      ...ROWS.flatMap(({ panels }) => panels.map(({ runbook }) => runbook)),
    ]);
    const sections = [...readFileSync(file('docs/guides/runbooks.md'), 'utf8').matchAll(/^## /gm)].length;
    expect(led.size - (led.has(undefined) ? 1 : 0)).toBe(sections);
  });
});

describe.skipIf(withoutPrometheus())('promtool', () => {
  it('finds the rules and alerts valid', () => {
    const text = promtool('check', 'rules', file('grafana/rules.yml'), file('grafana/alerts.yml'));
    expect(text.match(/SUCCESS/g)).toHaveLength(2);
  });

  it.each(TESTS)('passes the tests of the alerts (%s)', { timeout: 120_000 }, (path) => {
    expect(promtool('test', 'rules', path)).toContain('SUCCESS');
  });
});

function promtool(...args: readonly string[]): string {
  return execFileSync('promtool', args, { encoding: 'utf8', stdio: 'pipe' });
}
