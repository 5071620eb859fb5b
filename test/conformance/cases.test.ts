import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ALL_CASES } from '../../conformance/cases/index.js';
import { NOT_OBSERVABLE, PARTLY_OBSERVABLE } from '../../conformance/not-observable.js';

const PAGE = readFileSync(new URL('../../docs/reference/contract.md', import.meta.url), 'utf8');
const RULES = [...PAGE.matchAll(/^\| (C-[A-Z]+-\d+) \|/gm)].map(([, rule]) => rule as string);
const HELD = new Set(ALL_CASES.map(({ rule }) => rule));

it.each(RULES)('%s has a case, or a reason why it has none', (rule) => {
  expect(HELD.has(rule)).toBe(!(rule in NOT_OBSERVABLE));
});

it('has no case of a rule that is not in the contract', () => {
  expect([...HELD].filter((rule) => !RULES.includes(rule))).toEqual([]);
});

it('explains rules of the contract only', () => {
  const explained = [...Object.keys(NOT_OBSERVABLE), ...Object.keys(PARTLY_OBSERVABLE)];
  expect(explained.filter((rule) => !RULES.includes(rule))).toEqual([]);
});

it('tells cases of a protocol apart by rule and title', () => {
  const names = ALL_CASES.map(({ protocol, rule, title }) => `${protocol} ${rule} ${title}`);
  expect(new Set(names).size).toBe(names.length);
});
