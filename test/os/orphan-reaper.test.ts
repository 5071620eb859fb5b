import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ActionLoopChannel } from '../../src/executor/actionloop/channel.js';
import { childProcessLauncher } from '../../src/executor/actionloop/child-process-channel.js';
import { startOrphanReaper } from '../../src/os/orphan-reaper.js';
import { createLossMemory } from '../../src/shared-memory/log-losses.js';
import { stateOf } from '../support/waiting.js';

const PATIENCE_MS = 10_000;

/** Reaping that happens when the test says so, instead of by a timer. */
async function sweeping(): Promise<() => void> {
  const timers = vi.spyOn(globalThis, 'setInterval').mockImplementation(() => ({ unref() {} }) as never);
  await startOrphanReaper();
  return timers.mock.calls[0]?.[0] as () => void;
}

/** A process that has ended, and nobody knows yet: this thread has not looked for signals. */
async function ended(): Promise<ActionLoopChannel> {
  const launch = childProcessLauncher({ logs: [1, 2], shared: { losses: createLossMemory() } });
  const channel = await launch({ folder: '/', exec: '/bin/cat', environment: Buffer.alloc(0) }, () => {});
  if ('errno' in channel) throw new Error(channel.errno);
  channel.kill('SIGKILL');
  while (stateOf(channel.pid) !== 'Z');
  return channel;
}

describe('reaping orphans on a thread that has children of its own', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('the end of a process that somebody waits for is not taken away', async () => {
    const sweep = await sweeping();
    const channel = await ended();
    sweep();
    const exit = await Promise.race([channel.exited, delay(PATIENCE_MS, 'nobody was told')]);
    expect(exit).toEqual({ signal: 9 });
    expect(stateOf(channel.pid)).toBeUndefined();
  });
});
