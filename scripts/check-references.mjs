// Fails when a text names something that is defined nowhere: a rule of the contract (C-RUN-14) that docs/reference/contract.md has
// not, a decision (docs/decisions/0001-…) that is not there, a decision by a bare number (D-14), or a numbered section
// of the contract, whose sections have no numbers. Sections of RFCs and other specifications may be named.
// `node scripts/check-references.mjs [FOLDER]`
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url));
const TEXT = /\.(ts|cts|mjs|cjs|md|c|h|sh|yml)$|^(Dockerfile|\.ci\/run)$/;
/** Generated from results of other runtimes, and what tests this script. */
const EXCLUDED =
  /^(docs\/conformance|bench\/results\/|test\/lint\/check-references\.test\.ts|scripts\/check-references\.mjs)/;
const SPECIFICATIONS = /(RFC \d+|Fetch|POSIX[^,;]*|W3C [\w ]+|APPNOTE\.TXT|HTML)[,;]?\s*(\*\s+)?$/;

const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\0')
  .filter((path) => TEXT.test(path) && !EXCLUDED.test(path) && existsSync(join(ROOT, path)));
const contract = readFileSync(join(ROOT, 'docs/reference/contract.md'), 'utf8');
const rules = new Set([...contract.matchAll(/^\| (C-[A-Z]+-\d+) \|/gm)].map(([, rule]) => rule));

/** What is wrong with the references of a text, each with its position. */
function* problemsIn(text) {
  for (const { 0: rule, index } of text.matchAll(/\bC-[A-Z]+-\d+\b/g))
    if (!rules.has(rule)) yield [index, `${rule} is no rule of docs/reference/contract.md`];
  for (const { 0: id, index } of text.matchAll(/\bD-\d{2}\b/g))
    yield [index, `${id} is defined nowhere: name a rule, or a file of docs/decisions/`];
  for (const { 0: path, index } of text.matchAll(/\bdecisions\/\d{4}[\w-]*\.md/g))
    if (!existsSync(join(ROOT, 'docs', path))) yield [index, `docs/${path} is not there`];
  for (const { 0: section, index } of text.matchAll(/\b[Ss]ections? \d[\d.]*/g))
    if (!SPECIFICATIONS.test(text.slice(Math.max(0, index - 80), index)))
      yield [index, `"${section}" leads nowhere: name the rules`];
}

let failed = 0;
for (const path of files) {
  const text = readFileSync(join(ROOT, path), 'utf8');
  for (const [index, problem] of problemsIn(text)) {
    process.stderr.write(`${path}:${text.slice(0, index).split('\n').length}: ${problem}\n`);
    failed++;
  }
}
process.exitCode = failed === 0 ? 0 : 1;
