import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { initialise } from '../../bench/run/member.js';
import { firstAbort } from '../../bench/support/abort.js';
import type { RunningTarget } from '../../bench/targets/running.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** As much of a target as a request needs. */
function targetAt(port: number, died = new AbortController()): RunningTarget {
  const endpoint = { host: '127.0.0.1', port, path: '/run' };
  return { endpoint, died, logTail: () => '' } as unknown as RunningTarget;
}

async function silentServer(use: (port: number, accepted: Promise<unknown>) => Promise<void>): Promise<void> {
  const server = createServer().listen(0, '127.0.0.1');
  const accepted = once(server, 'connection');
  await once(server, 'listening');
  try {
    await use((server.address() as AddressInfo).port, accepted);
  } finally {
    server.close();
    const [socket] = (await accepted) as [{ destroy(): void }];
    socket.destroy();
  }
}

it('a server that never answers is not waited for beyond the limit, whatever the garbage collector does', () =>
  silentServer(async (port) => {
    const timer = setInterval(collectGarbage, 20);
    try {
      await expect(initialise(targetAt(port), '{}', 300)).rejects.toThrow(
        'POST /init: no answer within 0.3 s',
      );
    } finally {
      clearInterval(timer);
    }
  }));

it('a server that ends is not waited for', () =>
  silentServer(async (port, accepted) => {
    const died = new AbortController();
    const outcome = expect(initialise(targetAt(port, died), '{}')).rejects.toThrow(
      'it ended without an answer',
    );
    await accepted;
    died.abort();
    await outcome;
  }));

it('a signal follows the first of others until it is released', () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const followed = firstAbort(first.signal, second.signal);
  const released = firstAbort(first.signal, second.signal);
  released.release();
  second.abort();
  expect([followed.signal.aborted, released.signal.aborted]).toEqual([true, false]);
  expect(firstAbort(first.signal, second.signal).signal.aborted).toBe(true);
});
