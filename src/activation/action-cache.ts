import { join } from 'node:path';
import type { ExecEngine } from '../engines/engine.js';
import type { ActionImage } from '../os/action-image.js';
import { entryName, inheritedEntries, type Variable } from '../protocol/environment.js';

/** Answers the action as the init of a generation has left it, with the variables of that init as JSON text. */
export type GetActionImage = (generation: number, variables: string) => ActionImage;

/**
 * @param environment the environment block of the server
 * @param engines are told when it is another one than before
 */
export function createActionCache(
  actionRoot: string,
  environment: Uint8Array,
  engines: readonly Pick<ExecEngine, 'actionChanged'>[],
): GetActionImage {
  const inherited = inheritedEntries(Buffer.from(environment));
  let cached: { generation: number; image: ActionImage } | undefined;
  return (generation, variables) => {
    if (cached?.generation !== generation) {
      const image = imageOf(actionRoot, inherited, variables);
      for (const engine of engines) engine.actionChanged(image);
      cached = { generation, image };
    }
    return cached.image;
  };
}

/** Precedence: the server's environment, then the init's (C-INIT-18); PWD is the action folder (C-RUN-13). */
function imageOf(actionRoot: string, inherited: readonly Buffer[], variables: string): ActionImage {
  const entries = new Map(inherited.map((entry) => [entryName(entry), entry]));
  entries.set('PWD', Buffer.from(`PWD=${actionRoot}`));
  const fromInit = variables === '' ? [] : (JSON.parse(variables) as Variable[]);
  for (const [name, value] of fromInit) entries.set(name, Buffer.from(`${name}=${value}`));
  return { exec: join(actionRoot, 'exec'), folder: actionRoot, environment: [...entries.values()] };
}
