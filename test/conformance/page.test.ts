import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ALL_CASES } from '../../conformance/cases/index.js';
import { markdownOf } from '../../conformance/report/markdown.js';
import type { RunReport } from '../../conformance/report/result.js';
import { ENGINES } from '../support/run-server.js';

const RESULTS = new URL('../../docs/reference/conformance/', import.meta.url);
const NAMES = readdirSync(RESULTS).sort();
const REPORTS = NAMES.map((name) => JSON.parse(readFileSync(new URL(name, RESULTS), 'utf8')) as RunReport);

it('docs/reference/conformance.md is what the results say; `npm run docs:conformance` makes it anew', () => {
  const page = readFileSync(new URL('../../docs/reference/conformance.md', import.meta.url), 'utf8');
  expect(page).toBe(markdownOf(REPORTS));
});

it('the results are of the cases that there are', () => {
  for (const { target, protocol, cases } of REPORTS) {
    const names = cases.map(({ rule, title }) => `${rule} ${title}`);
    const all = ALL_CASES.filter((one) => one.protocol === protocol);
    expect([target, names]).toEqual([target, all.map(({ rule, title }) => `${rule} ${title}`)]);
  }
});

it('the server has failed no case but what Node’s own engine is known for', () => {
  const own = REPORTS.filter(({ target }) => target.startsWith('Hyperskeleton'));
  expect(own.map(({ target, protocol }) => `${protocol}: ${target}`)).toEqual(
    ['actionloop', 'classic', 'knative'].flatMap((protocol) =>
      ENGINES.map((engine) => `${protocol}: Hyperskeleton, ${engine}`),
    ),
  );
  const failed = own.flatMap(({ target, cases }) =>
    cases
      .filter(({ result }) => result !== 'passed')
      .map(({ rule, result }) => `${target}: ${rule} ${result}`),
  );
  expect(failed).toEqual([
    'Hyperskeleton, child_process: C-AL-06 failed',
    'Hyperskeleton, child_process: C-RUN-14 failed',
  ]);
});
