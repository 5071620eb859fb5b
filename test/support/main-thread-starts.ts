import { readFileSync } from 'node:fs';
import { logFile } from './log-file.js';

/** The server's own log at its most detailed: the record of each activation says which thread started it. */
export interface ActivationLog {
  /** The environment that makes a server write it. */
  readonly env: Readonly<Record<string, string>>;
  /** How many activations the main thread has started. A page of metrics may be a second old; this is not. */
  mainThreadStarts(): number;
  /** Whether the main thread started the last activation. */
  wasLastOnMainThread(): boolean;
}

/** A log of its own for one server. */
export function activationLog(): ActivationLog {
  const path = logFile();
  const runs = (): string[] =>
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((record) => /"msg":"run( failed)?"/.test(record));
  const isOfMainThread = (record: string | undefined): boolean => record?.includes('"direct":true') === true;
  return {
    env: { HYPERSKELETON_LOG_FILE: path, HYPERSKELETON_LOG_LEVEL: 'debug' },
    mainThreadStarts: () => runs().filter(isOfMainThread).length,
    wasLastOnMainThread: () => isOfMainThread(runs().at(-1)),
  };
}
