import { describe, expect, it } from 'vitest';
import { StartQueue } from '../../src/threads/start-queue.js';

describe('starts in a flood of requests', () => {
  it('leave the thread room for what has ended, in each turn', async () => {
    const queue = new StartQueue();
    const seen: string[] = [];
    for (let count = 0; count < 7; count++) queue.push(() => seen.push('start'));
    expect(seen).toEqual(['start', 'start']);
    const turn = (): Promise<void> =>
      new Promise((resolve) =>
        setImmediate(() => {
          seen.push('turn');
          resolve();
        }),
      );
    await turn();
    await turn();
    await turn();
    const turns = seen
      .join(' ')
      .split('turn')
      .map((starts) => starts.trim().split(' ').filter(Boolean).length);
    expect(turns.every((starts) => starts <= 4)).toBe(true);
    expect(seen.filter((one) => one === 'start')).toHaveLength(7);
  });

  it('keep their order, and begin at once when there is no flood', async () => {
    const queue = new StartQueue();
    const seen: number[] = [];
    queue.push(() => seen.push(0));
    expect(seen).toEqual([0]);
    for (let count = 1; count < 20; count++) queue.push(() => seen.push(count));
    while (seen.length < 20) await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual([...Array(20).keys()]);
  });
});
