import { readFileSync } from 'node:fs';
import type { Config } from '../config/load.js';
import { version } from '../config/version.js';
import type { WorkerSettings } from '../pool/messages.js';
import { createSharedMemory } from '../pool/worker-pool.js';
import { openFilesOfActions } from '../process/open-files.js';

/** Where the logs of activations go. */
export interface LogTargets {
  /** The descriptors for what actions write to stdout and stderr. */
  readonly logs: readonly [stdout: number, stderr: number];
  /** Whether the lines that end an activation's log are written. */
  readonly sentinels: boolean;
}

/** What the worker threads are given, by the configuration. */
export function workerSettings(config: Config, actionRoot: string, targets: LogTargets): WorkerSettings {
  return {
    actionRoot,
    environment: Uint8Array.from(readFileSync('/proc/self/environ')),
    engine: config.engine,
    maxResultBytes: config.maxResultBytes,
    maxUnzippedBytes: config.maxUnzippedBytes,
    maxEntries: config.maxEntries,
    drainMs: config.drainMs,
    timeoutGraceMs: config.timeoutGraceMs,
    killsLeftovers: config.leftovers !== 'keep',
    openFiles: openFilesOfActions(process.env.HYPERSKELETON_SOFT_OPEN_FILES),
    shared: createSharedMemory(config.threads, config.metrics),
    ...targets,
    version: version(),
  };
}
