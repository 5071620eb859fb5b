import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EngineFixture, type RunInput } from '../../support/run-engine.js';
import { buildProgram } from '../../zoo/build.js';

let cloned: EngineFixture;
let spawned: EngineFixture;

beforeEach(async () => {
  const program = (await buildProgram('common.c', ['-static'])) as string;
  [cloned, spawned] = [new EngineFixture('forkserver'), new EngineFixture('posix_spawn')];
  for (const rig of [cloned, spawned])
    rig.installProgram(program, { GREETING: 'grüße', 'a b': '', 'ü-\n%': '=' });
});
afterEach(async () => {
  await cloned.close();
  await spawned.close();
});

/** Both must tell the same of their arguments and variables, and so must the kernel. */
async function same(input: RunInput): Promise<void> {
  const [found, wanted] = await Promise.all([cloned.run(input), spawned.run(input)]);
  expect(found.outcome).toBe('started');
  expect(found.stdout).toContain('cmdline is argv 1\nenviron is the environment 1\n');
  expect({ stdout: found.stdout, exit: found.exit }).toEqual({ stdout: wanted.stdout, exit: wanted.exit });
}

/** Where a template's rooms end: set-up reserves 4 KiB for the argument and 1 KiB for variables at least, then doubles. */
const EDGES = [0, 1, 2, 4094, 4095, 4096, 4097, 8191, 8192, 65_535, 65_536, 131_070, 131_071];

it.each(EDGES)('C-RUN-04: an argument of %d bytes, after a short one and before one', async (length) => {
  for (const bytes of [3, length, 0]) await same({ argument: 'x'.repeat(bytes), variables: { A: '1' } });
});

it.each([0, 1, 500, 509, 510, 511, 512, 1019, 1020, 1021, 1022, 1023, 1024, 2047, 16_000, 32_000])(
  'C-RUN-08: variables of about %d bytes, after short ones and before them',
  async (length) => {
    for (const bytes of [1, length, 0])
      await same({ argument: '{}', variables: { A: 'y'.repeat(bytes), B: 'ü' } });
  },
);

it('C-RUN-08: any names and values, in any order', async () => {
  const name = fc
    .string({ minLength: 1, unit: 'grapheme' })
    .filter((text) => !/[=\0]/.test(text) && text !== 'PWD');
  const value = fc.string({ unit: 'grapheme', maxLength: 600 }).filter((text) => !text.includes('\0'));
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, value, { maxKeys: 6 }), value, async (variables, argument) => {
      await same({ argument, variables });
      await same({ argument, variables: Object.fromEntries(Object.entries(variables).reverse()) });
    }),
    { numRuns: 60 },
  );
});
