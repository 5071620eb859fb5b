import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { threadsThatFit } from '../../src/os/address-space.js';
import { ENGINES, RunServer } from '../support/run-server.js';

const BINARY = fileURLToPath(new URL('../../bin/hyperskeleton', import.meta.url));
const MIB = 1024 * 1024;
/** Node starts with that much, the server does not. */
const TOO_FEW_MIB = 1100;

/** Starts the server with too little, to hear how much it needs. */
function tooLittle(): { status: number | null; text: string } {
  const script = `ulimit -v ${TOO_FEW_MIB * 1024}; exec "$0" serve --port 0`;
  const { status, stderr } = spawnSync('sh', ['-c', script, BINARY], {
    env: { PATH: process.env.PATH ?? '' },
    encoding: 'utf8',
  });
  return { status, text: stderr };
}

it('an address space that is too small is told at the start, with what is needed', () => {
  expect(tooLittle()).toEqual({
    status: 1,
    text: expect.stringMatching(
      /^hyperskeleton: the limit of the address space \(ulimit -v, RLIMIT_AS\) is 1100 MiB; the server needs \d+ MiB\n$/,
    ),
  });
});

/** What malloc(3) reserves for a thread, if two of them allocate at the same time. */
const MALLOC_ARENA_MIB = 64;

it.each(ENGINES)('with just enough the server goes on under load: %s', async (engine) => {
  const needed = Number(/needs (\d+) MiB/.exec(tooLittle().text)?.[1]);
  const server = await RunServer.start({
    engine,
    launcher: `ulimit -v ${(needed + MALLOC_ARENA_MIB + 20) * 1024}; exec "$@"`,
    flags: ['--threads', '8'],
  });
  try {
    await server.install('#!/bin/sh\nsleep 0.2\necho "{}"\n');
    for (const concurrent of [2, 8, 32]) {
      const answers = await Promise.all(Array.from({ length: concurrent }, () => server.run()));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    }
  } finally {
    await server.stop();
  }
});

it('there are as many threads as there is room for', () => {
  const takenBytes = 1000 * MIB;
  const fit = (limitMib: number): number => threadsThatFit(4, { limitBytes: limitMib * MIB, takenBytes });
  expect(() => fit(1600)).toThrow('is 1600 MiB; the server needs 1704 MiB');
  expect([fit(1704), fit(1895), fit(1896), fit(10_000)]).toEqual([1, 1, 2, 4]);
  expect(threadsThatFit(4, { limitBytes: Infinity, takenBytes })).toBe(4);
});
