import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prlimit } from '../../../src/os/libc.js';
import { EngineFixture, type EngineRun } from '../../support/run-engine.js';
import { templatesOf, until } from '../../support/waiting.js';

const RLIMIT_NOFILE = 7;
const LIMIT = 256n;

/** Takes all descriptors that this process may still have. @returns gives them back */
function takeAllDescriptors(): () => void {
  const before = new BigUint64Array(2);
  prlimit(0, RLIMIT_NOFILE, null, before);
  prlimit(0, RLIMIT_NOFILE, BigUint64Array.of(LIMIT, before[1] as bigint), null);
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch {
    // EMFILE: that was the last one.
  }
  return () => {
    for (const fd of taken) closeSync(fd);
    prlimit(0, RLIMIT_NOFILE, before, null);
  };
}

describe('while a clone is on its way all descriptors are taken', () => {
  let rig: EngineFixture;
  beforeEach(() => {
    rig = new EngineFixture('forkserver');
    rig.installScript('#!/bin/sh\necho ran >> ran\necho "$1"\n');
  });
  afterEach(() => rig.close());

  async function runWithout(argument: string): Promise<EngineRun> {
    let giveBack: () => void = () => {};
    const meanwhile = (): void => {
      giveBack = takeAllDescriptors();
    };
    return rig.run({ argument, meanwhile }).finally(() => giveBack());
  }

  const ran = (): number => readFileSync(join(rig.root, 'ran'), 'latin1').split('\n').length - 1;

  it('and it is watched all the same: a run that has begun is not begun once more', async () => {
    const { outcome, stdout } = await runWithout('by the template');
    expect({ outcome, stdout, ran: ran() }).toEqual({
      outcome: 'started',
      stdout: 'by the template\n',
      ran: 1,
    });
  });

  it('so is one that waited', async () => {
    await rig.run();
    await until('clones wait', () => templatesOf(process.pid).length === 3);
    const { outcome, stdout } = await runWithout('by a clone that waited');
    expect({ outcome, stdout, ran: ran() }).toEqual({
      ...{ outcome: 'started', stdout: 'by a clone that waited\n', ran: 2 },
    });
  });
});
