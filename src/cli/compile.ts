import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { installActionLoop } from '../action/actionloop/install.js';
import { InitTimeLimit } from '../action/init-time-limit.js';
import { loadConfig } from '../config/load.js';
import { version } from '../config/version.js';
import { environmentBlock } from '../os/environment-block.js';
import { asServerUser } from '../os/file-scope.js';
import { FreezeAwareClock } from '../os/freeze-aware-clock.js';
import { zipOf } from '../pack/zip-of.js';
import { actionLoopEnvironment } from '../protocol/actionloop/environment.js';
import { inheritedEntries, type Variable } from '../protocol/environment.js';
import { textOfFailure } from '../protocol/errors.js';
import { messageOf } from '../protocol/message-of.js';
import { reportUsageErrors } from './command.js';

/** Its command line. */
interface CompileLine {
  readonly positionals: readonly string[];
  readonly values: { readonly env: string };
}

/**
 * `hyperskeleton compile MAIN`, as the ActionLoop proxy's `-compile` (C-AL-22): source on stdin, the zip of what
 * OW_COMPILER makes of it on stdout.
 *
 * @returns the exit status: 0, 1 where it can't be compiled, 2 for a command line that can't be understood
 */
export async function compileCommand({ positionals, values }: CompileLine): Promise<number> {
  const main = positionals[0] as string;
  let variables: Variable[];
  try {
    variables = variablesIn(values.env);
  } catch (error) {
    return reportUsageErrors([messageOf(error)]);
  }
  const config = loadConfig({}, process.env);
  if ('problems' in config) return reportUsageErrors(config.problems);
  const inherited = inheritedEntries(environmentBlock());
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-compile-'));
  const timeLimit = new InitTimeLimit(new FreezeAwareClock(), config.initTimeoutMs, () => false);
  try {
    const outcome = await installActionLoop({
      code: readFileSync(0),
      main,
      actionRoot: folder,
      limits: config,
      compiler: process.env.OW_COMPILER || undefined,
      executionEnvironment: undefined,
      confinement: undefined,
      scope: asServerUser,
      environment: actionLoopEnvironment(inherited, version(), variables),
      timeLimit,
    });
    if ('failure' in outcome) {
      process.stderr.write(`${textOfFailure(outcome.failure)}\n`);
      return 1;
    }
    process.stdout.write(await zipOf(dirname(outcome.exec)));
    return 0;
  } finally {
    timeLimit.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function variablesIn(text: string): Variable[] {
  const values = JSON.parse(text) as Record<string, unknown>;
  return Object.entries(values).map(
    ([name, value]): Variable => [name, typeof value === 'string' ? value : JSON.stringify(value)],
  );
}
