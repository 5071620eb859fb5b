import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, startActionLoopServer } from '../support/actionloop-server.js';
import { engineLog, startsIn } from '../support/engine-log.js';
import type { RunServer } from '../support/run-server.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/actionloop/', import.meta.url));
const CLONES = 1000;
const CONNECTIONS = 16;
/** Some generators are seeded with 32 bits: two of a thousand are equal once in some thousand tests. */
const MAX_EQUAL = 1;

/** The interpreter of each example; C has none. */
const LANGUAGES: Readonly<Record<string, string>> = {
  bash: '/bin/bash',
  c: '/usr/bin/gcc',
  lua: '/usr/bin/lua5.4',
  perl: '/usr/bin/perl',
  php: '/usr/bin/php',
  python: '/usr/bin/python3',
};

let server: RunServer;
const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-uniqueness-'));
afterEach(() => server.stop());

async function numbersOf(
  code: string | Buffer,
  count: number,
  env: Record<string, string> = {},
): Promise<string[]> {
  const log = join(folder, `${Math.random()}.log`);
  server = await startActionLoopServer({
    engine: 'auto',
    flags: ['--actionloop-isolation', 'activation'],
    env: { ...engineLog(log), ...env },
  });
  expect((await server.post('/init', actionLoopInit(code))).status).toBe(200);
  const numbers: string[] = [];
  let left = count;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      while (left-- > 0) {
        const { body } = await server.run();
        // Not parsed: a number of 64 bits would lose some.
        numbers.push(/"number": ?"?([^"}]+)/.exec(body.toString())?.[1] ?? body.toString());
      }
    }),
  );
  expect(startsIn(log)).toEqual({ forkserver: count });
  return numbers;
}

describe('many clones give different numbers', () => {
  it.each(Object.keys(LANGUAGES).filter((name) => existsSync(LANGUAGES[name] as string)))(
    'the example in %s',
    async (name) => {
      let path = `${EXAMPLES}isolated/${name}/exec`;
      if (name === 'c') {
        execFileSync('gcc', ['-O1', '-o', join(folder, 'exec'), `${path}.c`]);
        path = join(folder, 'exec');
      }
      const bytes = readFileSync(path);
      const numbers = await numbersOf(name === 'c' ? bytes : bytes.toString(), CLONES);
      expect(numbers).toHaveLength(CLONES);
      expect(new Set(numbers).size).toBeGreaterThanOrEqual(CLONES - MAX_EQUAL);
    },
  );

  const LAUNCHER = `#!/usr/bin/python3
from sys import stdin
import json, os, random
out = os.fdopen(3, "wb")
while True:
    line = stdin.readline()
    if not line:
        break
    out.write(json.dumps({"number": random.getrandbits(64)}).encode() + b"\\n")
    out.flush()
`;

  it('a launcher in Python that does not seed gives each clone the same', async () => {
    // Each thread has a template of its own.
    expect(new Set(await numbersOf(LAUNCHER, 100)).size).toBeLessThan(50);
  });

  it('the same launcher, with the hook on its path', async () => {
    const path = join(folder, 'site');
    mkdirSync(path);
    cpSync(`${EXAMPLES}python-reseed`, path, { recursive: true });
    // As Python's own folder of packages would be looked through.
    const code = LAUNCHER.replace(
      'from sys',
      `import site\nsite.addsitedir(${JSON.stringify(path)})\nfrom sys`,
    );
    const numbers = await numbersOf(code, CLONES);
    expect(new Set(numbers).size).toBe(CLONES);
    rmSync(path, { recursive: true });
  });
});
