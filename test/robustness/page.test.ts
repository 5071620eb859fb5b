import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { FAULTS } from '../../robustness/chaos/chaos.js';
import { FINDING_KINDS } from '../../robustness/findings.js';

const PAGE = readFileSync(new URL('../../docs/internals/robustness.md', import.meta.url), 'utf8');

it('docs/internals/robustness.md has every kind of finding, with its meaning, and every fault', () => {
  for (const [kind, meaning] of Object.entries(FINDING_KINDS))
    expect(PAGE).toContain(`| \`${kind}\` | ${meaning} |`);
  for (const { name } of FAULTS) expect(PAGE).toContain(`\`${name}\``);
});
