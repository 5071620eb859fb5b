import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ERRORS, type ErrorCode, errorRowOf, textOfFailure } from '../../src/protocol/errors.js';

const TESTS = fileURLToPath(new URL('..', import.meta.url));
const PAGE = readFileSync(new URL('../../docs/reference/errors.md', import.meta.url), 'utf8');
const CODES = Object.keys(ERRORS) as ErrorCode[];

function testSources(folder: string): string {
  return readdirSync(folder, { withFileTypes: true })
    .map((entry) => {
      if (entry.isDirectory()) return testSources(join(folder, entry.name));
      const isTest = entry.name.endsWith('.test.ts') && !folder.endsWith('errors');
      return isTest ? readFileSync(join(folder, entry.name), 'utf8') : '';
    })
    .join('\n');
}

describe('the error table', () => {
  const sources = testSources(TESTS);

  it.each(CODES)('%s is provoked by a test that names it', (code) => {
    expect(sources).toMatch(new RegExp(`\\b${code}\\b`));
  });

  it.each(CODES)('%s has its line in docs/reference/errors.md', (code) => {
    const line = PAGE.split('\n').find((candidate) => candidate.startsWith(`| \`${code}\` |`));
    expect(line).toContain(`| ${errorRowOf(code).status} |`);
    expect(line).toContain(errorRowOf(code).meaning);
  });

  it('puts the detail into the text, whatever characters it has', () => {
    expect(textOfFailure({ code: 'internal', detail: '$& and $1' })).toBe('The runtime failed: $& and $1.');
  });

  it('takes no status that the platform reads as something else', () => {
    for (const code of CODES) {
      const { status } = errorRowOf(code);
      // 503 makes the invoker give the container up: for a shutdown alone (C-SRV-08).
      expect(status === 503, code).toBe(code === 'draining');
      expect(status).toBeGreaterThanOrEqual(400);
    }
  });
});
