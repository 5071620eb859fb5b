import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SETTINGS } from '../../src/config/settings.js';
import { ERRORS } from '../../src/protocol/errors.js';

const textOf = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const exists = (path: string): boolean => existsSync(new URL(`../../${path}`, import.meta.url));
const allOf = (pattern: RegExp, text: string): string[] => [
  ...new Set([...text.matchAll(pattern)].map(([, word]) => word as string)),
];

/** Rows of the tables, as cells. */
const rows = textOf('docs/reference/limits.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| what '))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

describe('docs/reference/limits.md and docs/security.md', () => {
  it('name tests that exist', () => {
    const ofLimits = rows
      .flatMap((cells) => allOf(/`([\w./-]+)`/g, cells.at(-1) ?? ''))
      .map((name) => `test/${name}.test.ts`);
    const ofSecurity = allOf(/`(test\/[^`]+)`/g, textOf('docs/security.md'));
    expect(ofLimits.length).toBeGreaterThan(30);
    expect(ofSecurity.length).toBeGreaterThan(10);
    expect([...ofLimits, ...ofSecurity].filter((path) => !exists(path))).toEqual([]);
  });

  it('name settings, error codes and metrics that exist', () => {
    const text = textOf('docs/reference/limits.md') + textOf('docs/security.md');
    const known = new Set(Object.values(SETTINGS).flatMap(({ env }) => env as readonly string[]));
    expect(
      allOf(/`(HYPERSKELETON_\w+)`/g, text).filter((name) => name !== 'HYPERSKELETON_' && !known.has(name)),
    ).toEqual([]);
    const codes = rows.flatMap((cells) => allOf(/`([a-z]+(?:_[a-z]+)+)`/g, cells[2] ?? ''));
    expect(codes.filter((code) => !Object.hasOwn(ERRORS, code))).toEqual([]);
    const metrics = rows.flatMap((cells) => allOf(/`([a-z]+(?:_[a-z]+)+)`/g, cells[3] ?? ''));
    const page = textOf('docs/reference/metrics.md');
    const isKnown = (name: string): boolean =>
      page.includes(`\`hyperskeleton_${name}\``) || name === 'process_open_fds';
    expect(metrics.filter((name) => !isKnown(name))).toEqual([]);
  });
});
