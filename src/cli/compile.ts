import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { InitLimit } from '../action/init-limit.js';
import { loopEnvironment } from '../actionloop/environment.js';
import { installLoop } from '../actionloop/install.js';
import type { Config } from '../config/load.js';
import { version } from '../config/version.js';
import { inheritedEntries, type Variable } from '../contract/environment.js';
import { textOfFailure } from '../errors/table.js';
import { zipOf } from '../pack/zip-of.js';
import { asServer } from '../process/acting-as.js';
import { AwakeClock } from '../process/awake-clock.js';
import { complain } from './command.js';

/** Its command line. */
interface CompileLine {
  readonly config: Config;
  readonly positionals: readonly string[];
  readonly values: { readonly env: string };
}

import { messageOf } from '../errors/message-of.js';

/**
 * `hyperskeleton compile MAIN`, as the ActionLoop proxy's `-compile` (C-AL-22): source on stdin, the zip of what
 * OW_COMPILER makes of it on stdout.
 *
 * @returns the exit status: 0, 1 where it can't be compiled, 2 for a command line that can't be understood
 */
export async function compileCommand({ config, positionals, values }: CompileLine): Promise<number> {
  const main = positionals[0] as string;
  let variables: Variable[];
  try {
    variables = variablesIn(values.env);
  } catch (error) {
    return complain([messageOf(error)]);
  }
  const inherited = inheritedEntries(readFileSync('/proc/self/environ'));
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-compile-'));
  const limit = new InitLimit(new AwakeClock(), config.initTimeoutMs, () => false);
  try {
    const outcome = await installLoop({
      code: readFileSync(0),
      main,
      actionRoot: folder,
      limits: config,
      compiler: process.env.OW_COMPILER || undefined,
      executionEnvironment: undefined,
      confinement: undefined,
      scope: asServer,
      environment: loopEnvironment(inherited, version(), variables),
      limit,
    });
    if ('failure' in outcome) {
      process.stderr.write(`${textOfFailure(outcome.failure)}\n`);
      return 1;
    }
    process.stdout.write(await zipOf(dirname(outcome.exec)));
    return 0;
  } finally {
    limit.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function variablesIn(text: string): Variable[] {
  const values = JSON.parse(text) as Record<string, unknown>;
  return Object.entries(values).map(
    ([name, value]): Variable => [name, typeof value === 'string' ? value : JSON.stringify(value)],
  );
}
