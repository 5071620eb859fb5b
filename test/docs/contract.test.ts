import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const PAGE = readFileSync(new URL('../../docs/reference/contract.md', import.meta.url), 'utf8');
const TESTS = fileURLToPath(new URL('..', import.meta.url));
const RULES = [...PAGE.matchAll(/^\| (C-[A-Z]+-\d+) \|/gm)].map(([, rule]) => rule as string);

function sources(folder: string): string {
  return readdirSync(folder, { withFileTypes: true })
    .map((entry) => {
      if (entry.isDirectory()) return sources(join(folder, entry.name));
      return entry.name.endsWith('.test.ts') ? readFileSync(join(folder, entry.name), 'utf8') : '';
    })
    .join('\n');
}

const ALL = sources(TESTS);

it('has every rule of the classic protocol', () => {
  const count = (kind: string): number => RULES.filter((rule) => rule.startsWith(`C-${kind}-`)).length;
  expect([count('SRV'), count('INIT'), count('RUN'), count('LOG')]).toEqual([13, 28, 26, 6]);
  expect(new Set(RULES).size).toBe(RULES.length);
});

it('has every rule of the other protocols and of the platform', () => {
  const count = (kind: string): number => RULES.filter((rule) => rule.startsWith(`C-${kind}-`)).length;
  expect([count('KN'), count('AL'), count('PLAT')]).toEqual([21, 23, 11]);
});

// The others are held by test/conformance/cases.test.ts.
const CLASSIC = RULES.filter((rule) => /^C-(SRV|INIT|RUN|LOG)-/.test(rule));

it.each(CLASSIC)('%s is named by a test', (rule) => {
  expect(ALL).toMatch(new RegExp(`['(, ]${rule}\\b`));
});
