import { caveatsOf } from '../caveats.js';
import { targetStyles } from '../charts/theme.js';
import { countOf, formatDate } from '../format.js';
import { PART_TITLES, type Part, partsOf } from '../groups.js';
import type { BenchReport } from '../schema.js';
import { verdictsOf } from '../verdicts.js';
import { escapeHtml } from './escape.js';
import { htmlPage, list } from './page.js';
import { partSection } from './parts.js';
import { trustSections } from './trust.js';

/** The report as one HTML file: words first, then pictures and tables, then what shows whether to believe them. */
export function htmlReport(report: BenchReport): string {
  const parts = partsOf(report);
  const styles = targetStyles(report.targets);
  const title = `Benchmark of ${formatDate(report.startedAt)}`;
  const body = [
    heading(report, title),
    summary(report, parts),
    contents(report, parts),
    ...parts.map((part, index) => partSection(report, part, styles, index === 0)),
    trustSections(report),
  ];
  return htmlPage({ title, body: body.join('\n') });
}

function heading({ machine, profile, targets, scenarios, cells }: BenchReport, title: string): string {
  const rounds = cells.reduce((sum, { rounds: all }) => sum + all.length, 0);
  const present = targets.filter((target) => target.present).length;
  return `<h1>${escapeHtml(title)}</h1>
<p class="muted">${escapeHtml(
    `${countOf(present, 'target')}, ${countOf(scenarios.length, 'scenario')}, ${countOf(rounds, 'round')} (${profile}) on ${machine.cpu}, ${countOf(machine.cores, 'core')}, Linux ${machine.kernel}, Node ${machine.node}`,
  )}</p>`;
}

function summary(report: BenchReport, parts: readonly Part[]): string {
  const judged = parts.map((part) => {
    const sentences = verdictsOf(report, part).map(
      ({ subject, rest }) => `<strong>${escapeHtml(subject)}</strong>${escapeHtml(rest)}`,
    );
    return sentences.length === 0 ? '' : `<h3>${escapeHtml(PART_TITLES[part.kind])}</h3>\n${list(sentences)}`;
  });
  const words = judged.join('');
  const caveats = caveatsOf(report).map(({ kind, text }) => `<li class="${kind}">${escapeHtml(text)}</li>`);
  return `<div class="card" id="summary"><h2>Who is ahead</h2>
${words === '' ? '<p>Nothing was compared with a baseline: the numbers below stand for themselves.</p>' : words}</div>
<div class="card" id="caveats"><h2>Before you believe it</h2>
<ul class="caveats">
${caveats.join('\n')}
</ul></div>`;
}

function contents(report: BenchReport, parts: readonly Part[]): string {
  const links: [string, string][] = [
    ...parts.map(({ kind }): [string, string] => [kind, PART_TITLES[kind].split(':')[0] ?? kind]),
    ...(report.generator === undefined ? [] : [['generator', 'Generator'] as [string, string]]),
    ...(report.omissionProof === undefined ? [] : [['omission', 'Omission proof'] as [string, string]]),
    ['targets', 'Targets'],
    ['machine', 'Machine'],
  ];
  return `<nav aria-label="contents">${list(links.map(([id, text]) => `<a href="#${id}">${escapeHtml(text)}</a>`))}</nav>`;
}
