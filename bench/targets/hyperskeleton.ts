import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { PACKAGE_JSON, SERVER } from '../support/paths.js';
import type { Presence, StartCommand, StartPlace, TargetDefinition } from './definition.js';

const execute = promisify(execFile);

let help: Promise<string> | undefined;

/** What this build can do is what its own help says. */
function helpText(): Promise<string> {
  help ??= execute(SERVER, ['--help']).then(({ stdout }) => stdout);
  return help;
}

async function version(): Promise<string> {
  return (JSON.parse(await readFile(PACKAGE_JSON, 'utf8')) as { version: string }).version;
}

function start(
  place: StartPlace,
  flags: readonly string[],
  env: Readonly<Record<string, string>>,
): StartCommand {
  const { port, folder, actionRoot, nodeFolder } = place;
  return {
    command: [SERVER, 'serve', '--port', String(port), '--action-root', actionRoot, ...flags],
    env: { PATH: `${nodeFolder}:${process.env.PATH ?? ''}`, TMPDIR: folder, ...env },
  };
}

function shown(...flags: string[]): string[] {
  return ['bin/hyperskeleton', 'serve', '--port', '{port}', '--action-root', '{actionRoot}', ...flags];
}

async function present(...flags: string[]): Promise<Presence> {
  return {
    present: true,
    version: await version(),
    command: shown(...flags),
    start: (place) => start(place, flags, {}),
  };
}

function classic(engine: string, quick: boolean, how: string): TargetDefinition {
  return {
    id: `hyperskeleton-${engine.replace('_', '-')}`,
    title: `Hyperskeleton (${engine})`,
    description: `This project in its classic protocol: a process per activation, ${how}.`,
    protocol: 'classic',
    engine,
    reference: false,
    peer: false,
    init: 'post',
    quick,
    async find(): Promise<Presence> {
      const engines = /--engine\n[^(]*\([^)]*one of ([^;]*);/.exec(await helpText())?.[1]?.split(', ') ?? [];
      if (!engines.includes(engine)) {
        return { present: false, reason: `this build has no --engine ${engine}, only ${engines.join(', ')}` };
      }
      return present('--engine', engine);
    },
  };
}

/** The engine that it takes by itself. */
export const hyperskeletonAuto = classic('auto', true, 'by the fastest engine that works here');
/** The same with the other HTTP front end. */
export const hyperskeletonNode: TargetDefinition = {
  ...hyperskeletonAuto,
  id: 'hyperskeleton-node',
  title: 'Hyperskeleton (auto, node:http)',
  description:
    'This project in its classic protocol, with its second HTTP front end, node:http: what that costs (docs/reference/http.md).',
  quick: false,
  find: () => present('--engine', 'auto', '--http', 'node'),
};
/** By posix_spawn. */
export const hyperskeletonPosixSpawn = classic('posix_spawn', false, 'started by posix_spawn through FFI');
/** By Node's own module. */
export const hyperskeletonChildProcess = classic(
  'child_process',
  false,
  "started by Node's child_process, the fallback",
);
/** By cloning the action. */
export const hyperskeletonForkserver = classic(
  'forkserver',
  false,
  'cloned from one that has started already',
);

/** The benchmarks' number of persistent processes (the default is one, which keeps the state in one place). */
const ACTIONLOOP_PROCESSES = 2;

/** Persistent processes. */
export const hyperskeletonActionloop: TargetDefinition = {
  id: 'hyperskeleton-actionloop',
  title: 'Hyperskeleton (ActionLoop)',
  description: `This project in its ActionLoop protocol: persistent processes, ${ACTIONLOOP_PROCESSES} of them where their number can be set.`,
  protocol: 'actionloop',
  reference: false,
  peer: false,
  init: 'post',
  quick: true,
  async find(): Promise<Presence> {
    const text = await helpText();
    if (!/^ *--protocol$/m.test(text)) {
      return { present: false, reason: 'this build has no --protocol: it speaks the classic protocol only' };
    }
    const processes = /^ *(--[a-z-]*processes)$/m.exec(text)?.[1];
    const flags = processes === undefined ? [] : [processes, String(ACTIONLOOP_PROCESSES)];
    return {
      present: true,
      version: await version(),
      command: ['HYPERSKELETON_PROTOCOL=actionloop', ...shown(...flags)],
      start: (place) => start(place, flags, { HYPERSKELETON_PROTOCOL: 'actionloop' }),
    };
  },
};

/** Each activation in a process of its own. */
function isolated(engine: string, how: string): TargetDefinition {
  const flags = ['--actionloop-isolation', 'activation', '--engine', engine];
  return {
    id: engine === 'auto' ? 'hyperskeleton-isolated' : `hyperskeleton-isolated-${engine.replace('_', '-')}`,
    title: `Hyperskeleton (ActionLoop, isolated, ${engine})`,
    description: `This project in its ActionLoop protocol, with a process for each activation: ${how} (docs/guides/snapshots.md).`,
    protocol: 'actionloop',
    engine,
    reference: false,
    peer: false,
    init: 'post',
    quick: false,
    async find(): Promise<Presence> {
      if (!(await helpText()).includes('--actionloop-isolation'))
        return { present: false, reason: 'this build has no --actionloop-isolation' };
      return {
        present: true,
        version: await version(),
        command: ['HYPERSKELETON_PROTOCOL=actionloop', ...shown(...flags)],
        start: (place) => start(place, flags, { HYPERSKELETON_PROTOCOL: 'actionloop' }),
      };
    },
  };
}

/** By cloning one that waits for its first line. */
export const hyperskeletonIsolated = isolated('auto', 'a clone of one that has loaded the action');
/** By starting a new one. */
export const hyperskeletonIsolatedSpawn = isolated('posix_spawn', 'a new one, which loads the action');
