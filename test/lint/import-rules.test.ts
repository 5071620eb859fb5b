import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What the linter, by the project's rules, says of these files. */
function lint(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-lint-'));
  try {
    const { linter, overrides } = JSON.parse(readFileSync(join(ROOT, 'biome.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    writeFileSync(join(folder, 'biome.json'), JSON.stringify({ linter, overrides }));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const biome = join(ROOT, 'node_modules/.bin/biome');
    const { stdout, stderr } = spawnSync(biome, ['lint', '--colors=off', '.'], {
      cwd: folder,
      encoding: 'utf8',
    });
    return `${stdout}${stderr}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it.each([
  [
    'does input or output',
    'src/protocol/a.ts',
    "import { readFileSync } from 'node:fs';\nreadFileSync('a');\n",
  ],
  ['imports a folder above', 'src/os/a.ts', "import { b } from '../http/b.js';\nb();\n"],
  [
    'has the type of a folder above',
    'src/os/a.ts',
    "import type { B } from '../http/b.js';\nexport type C = B;\n",
  ],
  [
    'imports a folder above, from further down',
    'src/os/x/a.ts',
    "import { b } from '../../http/b.js';\nb();\n",
  ],
])('a module that %s is refused', (_what, path, text) => {
  expect(lint({ [path]: text })).toContain('noRestrictedImports');
});

it('a module may import a folder below', () => {
  const text = "import { read } from '../../os/read.js';\nimport { c } from './c.js';\nread(c);\n";
  expect(lint({ 'src/http/x/a.ts': text })).not.toContain('noRestrictedImports');
});

it('modules that import each other are refused', () => {
  const a = "import { b } from './b.js';\nexport const a = () => b();\n";
  const b = "import { a } from './a.js';\nexport const b = () => a();\n";
  expect(lint({ 'src/os/a.ts': a, 'src/os/b.ts': b })).toContain('noImportCycles');
});

/** The top layer: it may import all others, and needs no rule. */
const TOP = 'docs';

it('every folder of src has its place among the layers', () => {
  const { overrides } = JSON.parse(readFileSync(join(ROOT, 'biome.json'), 'utf8')) as {
    overrides: { includes: string[] }[];
  };
  const layers = new Set(overrides.flatMap(({ includes }) => includes));
  const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  expect(folders.filter(({ name }) => name !== TOP && !layers.has(`src/${name}/**`))).toEqual([]);
});
