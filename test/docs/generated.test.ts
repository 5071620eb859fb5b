import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { generatedPages } from '../../src/docs/pages.js';

describe('generated pages', () => {
  it.each(generatedPages())('$path is what the code says; `npm run docs` makes it anew', ({ path, text }) => {
    expect(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')).toBe(text);
  });
});
