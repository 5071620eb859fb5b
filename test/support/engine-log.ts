import { readFileSync } from 'node:fs';

/** What makes a server write down which engine started each run. */
export function engineLog(path: string): Readonly<Record<string, string>> {
  return { HYPERSKELETON_LOG_FILE: path, HYPERSKELETON_LOG_LEVEL: 'debug' };
}

/**
 * How many runs each engine has started, by the log of one or more servers: `forkserver`, or `posix_spawn: too_large`
 * where the engine that was asked for had refused.
 */
export function startsIn(path: string): Record<string, number> {
  const starts: Record<string, number> = {};
  for (const line of readFileSync(path, 'utf8').split('\n').filter(Boolean)) {
    const { engine, refusal } = JSON.parse(line) as { engine?: string; refusal?: string };
    // `serving` names the engine too, and a run that was not started has none.
    if (engine === undefined || !line.includes('"argumentBytes"')) continue;
    const name = refusal === undefined ? engine : `${engine}: ${refusal}`;
    starts[name] = (starts[name] ?? 0) + 1;
  }
  return starts;
}
