import { readFileSync } from 'node:fs';
import { bufferLimits } from '../admission/buffer-limits.js';
import { actionUserOf, hasNoNewPrivileges, requireCapabilities } from '../config/action-user.js';
import type { Config } from '../config/load.js';
import { version } from '../config/version.js';
import { sinkTargetOf } from '../logging/action-log/sink.js';
import { environmentBlock } from '../os/environment-block.js';
import type { Rights } from '../os/rights.js';
import { actionNofileLimit } from '../shared-memory/nofile-limit.js';
import type { WorkerSettings } from '../threads/messages.js';
import { createSharedMemory } from '../threads/thread-memory.js';

/** Where the logs of activations go. */
export interface LogTargets {
  /** The descriptors for what actions write to stdout and stderr. */
  readonly logs: readonly [stdout: number, stderr: number];
  /** Whether the lines that end an activation's log are written. */
  readonly sentinels: boolean;
}

/**
 * The rights of actions; undefined where they are the server's own.
 *
 * @throws Error for the operator, where this server can't give them
 */
export function rightsOf(config: Config): Rights | undefined {
  const { actionUser, actionLimits } = config;
  const noNewPrivileges = hasNoNewPrivileges(config);
  if (actionUser === undefined && !noNewPrivileges && actionLimits.length === 0) return undefined;
  if (actionUser !== undefined) requireCapabilities(actionUser, readFileSync('/proc/self/status', 'latin1'));
  return {
    user: actionUser === undefined ? undefined : actionUserOf(actionUser),
    noNewPrivileges,
    limits: actionLimits,
  };
}

/**
 * What the worker threads are given, by the configuration.
 *
 * @param rights what {@link rightsOf} has made of it
 * @param memoryBytes what the container may use
 */
export function workerSettings(
  config: Config,
  actionRoot: string,
  targets: LogTargets,
  rights: Rights | undefined,
  memoryBytes: number,
): WorkerSettings {
  const { bodyBytes, bufferedBytes } = bufferLimits(config, memoryBytes);
  return {
    ...config,
    actionRoot,
    environment: Uint8Array.from(environmentBlock()),
    rights,
    openFiles: actionNofileLimit(process.env.HYPERSKELETON_SOFT_OPEN_FILES),
    shared: createSharedMemory(config.threads, config.metrics, bufferedBytes),
    maxBodyBytes: bodyBytes,
    ...targets,
    sinks: [sinkTargetOf(targets.logs[0]), sinkTargetOf(targets.logs[1])],
    version: version(),
  };
}
