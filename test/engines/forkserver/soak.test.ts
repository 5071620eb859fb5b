import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { compileAction } from '../../support/run-programs.js';
import { RunServer } from '../../support/run-server.js';
import { childrenOf, settledDescriptors, templatesOf, until } from '../../support/waiting.js';

/** 2,000, or what HYPERSKELETON_SOAK_RUNS says (200,000 is the full proof). */
const RUNS = Number(process.env.HYPERSKELETON_SOAK_RUNS ?? 2000);
const AT_ONCE = 16;
const WARM_UP_RUNS = 500;
/** One template with its prewarmed clones for each of two worker threads and the main thread. */
const MAX_TEMPLATES = 9;
const LONE_RUNS = 50;

it(`${RUNS} activations leak nothing, and each has its own answer`, {
  timeout: 60_000 + RUNS * 20,
}, async () => {
  const server = await RunServer.start({ engine: 'auto', flags: ['--threads', '2'] });
  try {
    await server.installProgram(await compileAction('echo'));
    let serial = 0;
    const some = async (count: number, atOnce = AT_ONCE): Promise<void> => {
      const end = serial + count;
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          while (serial < end) {
            const number = ++serial;
            const text = `{"number":${number},"filler":"${'x'.repeat((number * 97) % 3000)}"}`;
            const answer = await server.runText(text, { activation_id: `id-${number}` });
            expect(answer.body.toString()).toBe(`{"id":"id-${number}","argument":${text},"stdin":${text}}`);
          }
        }),
      );
    };
    const settle = async (): Promise<number> => {
      await until('it is at rest', () => childrenOf(server.pid).length === 0);
      return settledDescriptors(server.pid);
    };
    await some(WARM_UP_RUNS);
    await some(LONE_RUNS, 1);
    const before = await settle();
    await some(RUNS);
    await some(LONE_RUNS, 1);
    expect(await settle()).toBeLessThanOrEqual(before);
    expect(templatesOf(server.pid).length).toBeLessThanOrEqual(MAX_TEMPLATES);
    expect(readdirSync(server.temporary)).toEqual([]);
  } finally {
    await server.stop();
  }
});
