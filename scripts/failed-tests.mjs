// Prints each failed test of a JSON report of vitest on a line: its file, its full title, the first line of its message.
// A file that fails before its first test is one line. Usage: node scripts/failed-tests.mjs REPORT
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const MAX_MESSAGE_CHARACTERS = 500;

const { testResults } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const failed = [];
for (const { name, status, message, assertionResults } of testResults) {
  const file = relative(process.cwd(), name);
  for (const { status: outcome, ancestorTitles, title, failureMessages } of assertionResults) {
    const full = [file, ...ancestorTitles, title].join(' > ');
    if (outcome === 'failed') failed.push(lineOf(full, failureMessages[0]));
  }
  if (status === 'failed' && assertionResults.length === 0) failed.push(lineOf(file, message));
}
for (const line of failed) console.log(line);

function lineOf(title, message = '') {
  const text = stripVTControlCharacters(message).trim();
  const first = text.split('\n', 1)[0].slice(0, MAX_MESSAGE_CHARACTERS);
  return first === '' ? title : `${title}: ${first}`;
}
