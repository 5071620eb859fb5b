import {
  ConstantVariableBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DATA_SOURCE, panel, type Row, variable } from './panels.js';
import { actionResources } from './rows/action-resources.js';
import { coldStarts } from './rows/cold-starts.js';
import { goldenSignals } from './rows/golden-signals.js';
import { runtimeHealth } from './rows/runtime-health.js';
import { saturation } from './rows/saturation.js';
import { whereTheTimeGoes } from './rows/where-the-time-goes.js';

/** From "is anything wrong" down to whose fault it is: the action's, or the runtime's. */
export const ROWS: readonly Row[] = [
  goldenSignals,
  whereTheTimeGoes,
  coldStarts,
  saturation,
  actionResources,
  runtimeHealth,
];

/** The whole dashboard, as Grafana imports it. */
export function dashboard(): Dashboard {
  const builder = new DashboardBuilder('Hyperskeleton')
    .uid('hyperskeleton')
    .description('Whether activations are healthy, and if not: the action, the runtime or the machine.')
    .tags(['openwhisk', 'serverless'])
    .time({ from: 'now-30m', to: 'now' })
    .refresh('10s')
    .tooltip(DashboardCursorSync.Crosshair)
    .version(2)
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
    // No `allValue`: All stands for the jobs that run Hyperskeleton, so that process_* of others stay out.
    .withVariable(filter('job', 'Job', 'label_values(hyperskeleton_build_info, job)'))
    .withVariable(
      filter('action', 'Action', 'label_values(hyperskeleton_build_info{job=~"$job"}, action)').allValue(
        '.*',
      ),
    )
    .withVariable(
      filter(
        'instance',
        'Instance',
        'label_values(hyperskeleton_build_info{job=~"$job",action=~"$action"}, instance)',
      ).allValue('.*'),
    )
    .withVariable(
      new ConstantVariableBuilder('runbooks')
        .description('Where docs/guides/runbooks.md is served for those on call.')
        .value('docs/guides/runbooks.md'),
    )
    .link(
      new DashboardLinkBuilder('Runbooks')
        .type(DashboardLinkType.Link)
        .url(variable('runbooks'))
        .targetBlank(true),
    );
  for (const row of ROWS) {
    builder.withRow(new RowBuilder(row.title));
    for (const spec of row.panels) builder.withPanel(panel(spec));
  }
  return numbered(builder.build());
}

/** The text of grafana/dashboard.json. */
export function dashboardText(): string {
  return `${JSON.stringify(dashboard(), null, 2)}\n`;
}

function filter(name: string, label: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(DATA_SOURCE)
    .query({ query, refId: name })
    .includeAll(true)
    .multi(true)
    .current({ text: 'All', value: '$__all' })
    .sort(VariableSort.NaturalAsc)
    .refresh(VariableRefresh.OnTimeRangeChanged);
}

/** Links to a panel name it by its number. */
function numbered(dashboard: Dashboard): Dashboard {
  for (const [at, each] of (dashboard.panels ?? []).entries()) each.id = at + 1;
  return dashboard;
}
