import { describe, expect, it } from 'vitest';
import { Admission } from '../../src/admission/admission.js';

describe('a limit that follows the memory', () => {
  it('lets further ones wait in order of arrival, and in when it grows', async () => {
    const admission = new Admission(10, 10);
    admission.setMemoryLimit(1);
    expect(admission.enter()).toBe('in');
    const waiting = [admission.enter(), admission.enter(), admission.enter()];
    const order: number[] = [];
    for (const [index, ticket] of waiting.entries()) {
      if (typeof ticket === 'string') throw new Error(`not in the queue: ${ticket}`);
      void ticket.granted.then(() => order.push(index));
    }
    admission.setMemoryLimit(3);
    await Promise.resolve();
    expect([order, admission.inFlight, admission.queued]).toEqual([[0, 1], 3, 1]);
    // What is over the limit is not replaced.
    admission.setMemoryLimit(2);
    admission.leave();
    expect([admission.inFlight, admission.queued]).toEqual([2, 1]);
    admission.leave();
    await Promise.resolve();
    expect([order, admission.inFlight, admission.queued]).toEqual([[0, 1, 2], 2, 0]);
  });

  it('is idle only when nothing waits either', async () => {
    const admission = new Admission(1, 10);
    expect(admission.enter()).toBe('in');
    const ticket = admission.enter();
    let isIdle = false;
    const idle = admission.whenIdle().then(() => {
      isIdle = true;
    });
    admission.leave();
    if (typeof ticket === 'string') throw new Error(ticket);
    await ticket.granted;
    expect(isIdle).toBe(false);
    admission.leave();
    await idle;
  });

  it('never exceeds the fixed limit', () => {
    const admission = new Admission(2, 0);
    admission.setMemoryLimit(100);
    expect([admission.enter(), admission.enter(), admission.enter()]).toEqual(['in', 'in', 'full']);
    expect(admission.limits).toEqual({ inFlight: 2, queued: 0 });
  });
});
