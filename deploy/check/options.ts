import { parseArgs } from 'node:util';

/** What the command line asks for. */
export interface Options {
  readonly help: boolean;
  /** The engine's command with its flags; undefined: whichever is here. */
  readonly engine?: string;
  /** The Node image to build on; undefined: the Dockerfile's own. */
  readonly base?: string;
  readonly buildBase?: string;
  /** Images that are there already, instead of building. */
  readonly slim?: string;
  readonly full?: string;
  /** A part of the titles of the checks to run. */
  readonly only: string;
  /** How often a cold start is measured; 0 is not at all. */
  readonly coldStarts: number;
}

export const USAGE = `Builds both images and checks in containers what they promise.

usage: npm run image-check -- [options]
  --base IMAGE        the Node image to build on (default: the Dockerfile's)
  --build-base IMAGE  the one to build in, where npm needs settings of its own (default: --base)
  --slim IMAGE --full IMAGE
                      check these instead of building
  --engine COMMAND    the engine with the flags it needs (default: docker or podman, whichever answers)
  --only TEXT         the checks with this text in their titles
  --cold N            measure the cold start N times as well

It needs Linux, for containers get the host's network, and an engine that reaches it. The exit status is 0 where all
passed, 1 where one failed, 2 where there is no engine or the images can't be built.
`;

/** @throws Error for a command line that can't be understood */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', default: false },
      engine: { type: 'string' },
      base: { type: 'string' },
      'build-base': { type: 'string' },
      slim: { type: 'string' },
      full: { type: 'string' },
      only: { type: 'string', default: '' },
      cold: { type: 'string', default: '0' },
    },
  });
  const { help, engine, base, slim, full, only, cold } = values;
  const buildBase = values['build-base'] ?? base;
  const coldStarts = Number(cold);
  if (!Number.isInteger(coldStarts) || coldStarts < 0) throw new Error('--cold is a whole number');
  if ((slim === undefined) !== (full === undefined)) throw new Error('--slim and --full go together');
  return {
    help,
    only,
    coldStarts,
    ...(engine !== undefined && { engine }),
    ...(base !== undefined && { base }),
    ...(buildBase !== undefined && { buildBase }),
    ...(slim !== undefined && { slim }),
    ...(full !== undefined && { full }),
  };
}
