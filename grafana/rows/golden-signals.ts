import type { Row } from '../panels.js';
import { percentiles, quantile, rate, series } from '../queries.js';

const ACTIVATIONS = 'hyperskeleton_activations_total';
const FAILURES = 'hyperskeleton_failures_total';
const DURATION = 'hyperskeleton_activation_duration_seconds';

/** One glance: how much, how well, how fast. */
export const goldenSignals: Row = {
  title: 'Golden signals',
  panels: [
    {
      kind: 'stat',
      title: 'Activations',
      description: 'Activations answered per second, whatever came of them.',
      unit: 'reqps',
      queries: [{ expr: rate(ACTIVATIONS), legend: 'activations' }],
    },
    {
      kind: 'stat',
      title: 'Successful',
      description: 'Share of activations that returned a result which is no error.',
      unit: 'percentunit',
      thresholds: { warning: 0.99, critical: 0.95 },
      queries: [
        { expr: `${rate(ACTIVATIONS, [], 'outcome="ok"')} / ${rate(ACTIVATIONS)}`, legend: 'successful' },
      ],
    },
    {
      kind: 'stat',
      title: "The runtime's fault",
      description:
        'Requests that failed through the runtime or the machine, per activation. The objective is one in a thousand; errors of actions and callers do not count.',
      unit: 'percentunit',
      thresholds: { warning: 0.001, critical: 0.01 },
      runbook: 'runtime-errors',
      queries: [
        { expr: `${rate(FAILURES, [], 'fault="runtime"')} / ${rate(ACTIVATIONS)}`, legend: 'runtime' },
      ],
    },
    {
      kind: 'stat',
      title: "The action's fault",
      description:
        'Activations and inits that failed through the action or returned an error, per activation.',
      unit: 'percentunit',
      thresholds: { warning: 0.05, critical: 0.25 },
      runbook: 'action-errors',
      queries: [
        {
          expr: `(${rate(FAILURES, [], 'fault="action"')} + ${rate(ACTIVATIONS, [], 'outcome="action_error"')}) / ${rate(ACTIVATIONS)}`,
          legend: 'action',
        },
      ],
    },
    {
      kind: 'stat',
      title: 'p99',
      description: 'Time from the arrival of a request to its answer that 99 of 100 activations stay below.',
      unit: 's',
      queries: [{ expr: quantile(0.99, DURATION, [], 'phase="total"'), legend: 'p99' }],
    },
    {
      kind: 'stat',
      title: 'Fullest instance',
      description: 'Taken places of the instance that has the fewest left; beyond 1 activations wait.',
      unit: 'percentunit',
      thresholds: { warning: 0.7, critical: 0.9 },
      runbook: 'saturation',
      queries: [
        {
          expr: `max(${series('hyperskeleton_activations_in_flight')} / ${series('hyperskeleton_admission_limit')})`,
          legend: 'in flight',
        },
      ],
    },
    {
      kind: 'stat',
      title: 'Alerts',
      description: 'Alerts of grafana/alerts.yml that are firing for these jobs; Prometheus lists them.',
      unit: 'short',
      thresholds: { warning: 1, critical: 3 },
      queries: [
        {
          expr: 'count(ALERTS{job=~"$job",alertname=~"Hyperskeleton.*",alertstate="firing"}) or vector(0)',
          legend: 'firing',
        },
      ],
    },
    {
      kind: 'stat',
      title: 'Instances',
      description: 'Servers that are scraped.',
      unit: 'short',
      queries: [{ expr: `count(${series('hyperskeleton_build_info')})`, legend: 'instances' }],
    },
    {
      kind: 'stacked',
      title: 'Activations by outcome',
      description:
        'ok returned a result, action_error one that is an error; docs/reference/errors.md says what the others mean.',
      unit: 'reqps',
      queries: [{ expr: rate(ACTIVATIONS, ['outcome']), legend: '{{outcome}}' }],
    },
    {
      kind: 'stacked',
      title: 'Failures by whose fault',
      description:
        'action: its author has to change something; caller: the request was wrong; runtime: the operator has to look. A result that is an error is none of these: it is an outcome.',
      unit: 'reqps',
      runbook: 'runtime-errors',
      queries: [{ expr: rate(FAILURES, ['fault']), legend: '{{fault}}' }],
    },
    {
      kind: 'lines',
      title: 'Failures by code',
      description: 'The eight most frequent codes; docs/reference/errors.md has one line about each.',
      unit: 'reqps',
      runbook: 'runtime-errors',
      queries: [
        { expr: `topk(8, ${rate(FAILURES, ['code', 'fault'])} > 0)`, legend: '{{code}} ({{fault}})' },
      ],
    },
    {
      kind: 'lines',
      title: 'Duration',
      description: 'From the arrival of a request to its answer; most of it is usually the action itself.',
      unit: 's',
      width: 12,
      exemplars: true,
      queries: percentiles(DURATION, 'phase="total"'),
    },
    {
      kind: 'heatmap',
      title: 'Durations',
      description: 'How many activations took how long: two bands are two kinds of activation.',
      unit: 's',
      width: 12,
      queries: [{ expr: rate(`${DURATION}_bucket`, ['le'], 'phase="total"'), legend: '{{le}}' }],
    },
  ],
};
