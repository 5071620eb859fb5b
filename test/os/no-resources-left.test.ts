import { readdirSync } from 'node:fs';
import { describe, it } from 'vitest';
import { ENGINES, RunServer } from '../support/run-server.js';
import { childrenOf, stateOf, until } from '../support/waiting.js';

const RUNS = 600;

describe.each(ENGINES)('after many activations (%s)', (engine) => {
  it('descriptors, threads, children and temporary files are where they began', async () => {
    // Whether the main thread has clones of its own at the end depends on what came alone: test/direct has that.
    const server = await RunServer.start({ engine, flags: ['--direct', 'off'] });
    try {
      const actions = ['echo "{}"', 'echo none', 'cat >&2; echo "{}"', 'exit 3', '(sleep 0.3 &) ; echo "{}"'];
      const some = async (count: number): Promise<void> => {
        for (const action of actions) {
          await server.install(`#!/bin/sh\n${action}\n`);
          for (let begun = 0; begun < count; begun += 10) {
            await Promise.all(Array.from({ length: 10 }, () => server.run({ x: 'y'.repeat(10_000) })));
          }
        }
      };
      await some(20);
      const count = (): number[] => [
        readdirSync(`/proc/${server.pid}/fd`).length,
        readdirSync(`/proc/${server.pid}/task`).length,
        readdirSync(server.temporary).length,
      ];
      await until('it is at rest', () => childrenOf(server.pid).length === 0);
      const before = count();
      await some(RUNS / actions.length);
      await until('no child is left, zombies included', () =>
        childrenOf(server.pid).every((pid) => stateOf(pid) === undefined),
      );
      await until('all is as before', () => count().every((number, at) => number <= (before[at] as number)));
    } finally {
      await server.stop();
    }
  });
});
