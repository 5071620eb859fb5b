import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { createEngineStats } from '../engines/forkserver/ipc/stats.js';
import { LOG_TABLE, releaseStreamsOf } from '../logging/action-log/log-stream.js';
import { signalWithGroup } from '../os/group-signal.js';
import { createBudgetMemory, releaseReservationsOf } from '../shared-memory/byte-budget.js';
import { LAG_TABLE } from '../shared-memory/event-loop-lag.js';
import { createLossMemory } from '../shared-memory/log-losses.js';
import { NOFILE_TABLE, releaseNofileLimitOf } from '../shared-memory/nofile-limit.js';
import { createResourceMemory, reclaimResources } from '../shared-memory/resource-table.js';
import { releaseSpawnLockOf, SPAWN_LOCK_TABLE } from '../shared-memory/spawn-lock.js';
import type { SharedMemory } from './messages.js';

/** Room for the slots of threads that have died and whose successors already live. */
const SLOTS_PER_THREAD = 2;

/** The main thread's slot: the last one. */
export function slotOfMain(threads: number): number {
  return threads * SLOTS_PER_THREAD;
}

/** As whom the main thread writes the sentinels that others owe: each writer of a log has a slot of its own. */
export function slotOfSentinelWriter(threads: number): number {
  return slotOfMain(threads) + 1;
}

/**
 * The memory that all threads of a server share.
 *
 * @param watched whether the threads are to tell how late their event loops are
 * @param bufferedBytes how many bytes of request bodies and results they may hold together
 */
export function createSharedMemory(threads: number, watched: boolean, bufferedBytes: number): SharedMemory {
  const slots = slotOfMain(threads) + 1;
  return {
    resourceTable: createResourceMemory(slotOfMain(threads)),
    spawnLock: SPAWN_LOCK_TABLE.create(slots),
    openFiles: NOFILE_TABLE.create(slots),
    engineStats: createEngineStats(slots),
    logs: LOG_TABLE.create(2),
    budget: createBudgetMemory(slots, bufferedBytes),
    losses: createLossMemory(),
    shutdown: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
    ...(watched && { eventLoopLag: LAG_TABLE.create(slots) }),
  };
}

/**
 * Reclaims what a dead thread had of the memory and of the system: its processes are killed, its descriptors closed, its
 * locks released.
 *
 * @param isInitialising whether it may have died while it replaced the files of the action
 * @returns how many processes were killed
 */
export function reclaimThread(shared: SharedMemory, threadId: number, isInitialising: boolean): number {
  const orphaned = reclaimResources(shared.resourceTable, threadId);
  if (orphaned === undefined) return 0;
  const { pids, descriptors, slot } = orphaned;
  for (const pid of pids) signalWithGroup(pid, constants.signals.SIGKILL);
  void closeAll(descriptors);
  releaseSpawnLockOf(shared.spawnLock, slot, isInitialising);
  releaseNofileLimitOf(shared.openFiles, slot);
  releaseReservationsOf(shared.budget, slot);
  releaseStreamsOf(shared.logs, slot);
  return pids.length;
}

/** Closes what a thread had open; clones that it had not heard of yet are killed. */
async function closeAll(descriptors: readonly number[]): Promise<void> {
  const clones = await import('../engines/forkserver/ipc/unread-replies.js').catch(() => undefined);
  for (const fd of descriptors) {
    for (const pid of clones?.unreadReplies(fd) ?? []) signalWithGroup(pid, constants.signals.SIGKILL);
    closeQuietly(fd);
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // The thread had closed it and died before it could say so.
  }
}
