import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../support/find-program.js';
import type { TargetDefinition } from './definition.js';

/** The limit of the machine. */
export const spawnLoop: TargetDefinition = {
  id: 'spawn-loop',
  title: 'C loop of posix_spawn',
  description:
    'No server: a program in C that starts the action, reads its output and waits for it, over and over, on as many threads as there are connections (8 at most). No runtime that starts a process per activation by exec can do with less.',
  protocol: 'none',
  reference: true,
  peer: false,
  init: 'start',
  quick: true,
  find: () =>
    Promise.resolve(
      findProgram('gcc') === undefined
        ? { present: false, reason: 'gcc is not installed' }
        : { present: true },
    ),
};

const BARE_SERVER = fileURLToPath(new URL('./bare-server.js', import.meta.url));

/** The limit of the front end, and of the load generator. */
export const bareAnswer: TargetDefinition = {
  id: 'bare-answer',
  title: 'Bare hyper-express answer',
  description:
    'The HTTP server that Hyperskeleton uses, with a fixed answer: it starts nothing. The limit of the front end and of the load generator together.',
  protocol: 'plain',
  reference: true,
  peer: false,
  init: 'fixed',
  quick: false,
  find: () =>
    Promise.resolve({
      present: true,
      start: ({ port, nodeFolder }) => ({
        command: [join(nodeFolder, 'node'), BARE_SERVER, String(port)],
        env: { PATH: process.env.PATH ?? '' },
      }),
    }),
};
