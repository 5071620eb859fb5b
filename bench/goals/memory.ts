import { setTimeout as delay } from 'node:timers/promises';
import { Target } from '../support/target.js';
import { type Finding, MEGABYTE, megabytes } from './goal.js';

const MOST_IDLE_BYTES = 90 * MEGABYTE;
const LOG_BYTES = 1_000_000_000;
const SLACK_BYTES = 30 * MEGABYTE;
/** Garbage of large buffers is collected once a thread has been quiet for a moment. */
const SETTLE_MS = 2000;

const LINES = `#!/bin/sh\nhead -c ${LOG_BYTES} /dev/zero | tr '\\0' x | fold -w 99\necho\necho "{}"\n`;
const ONE_LINE = `#!/bin/sh\nhead -c ${LOG_BYTES} /dev/zero | tr '\\0' x\necho\necho "{}"\n`;

/** What the server takes at rest, and after it has passed large amounts on. */
export async function memory(): Promise<Finding[]> {
  return [
    await idle(),
    await roundTrip(),
    await logging('lines', LINES),
    await logging('one line', ONE_LINE),
  ];
}

async function idle(): Promise<Finding> {
  const target = await Target.start();
  try {
    target.install({ script: '#!/bin/sh\necho "{}"\n' });
    await target.post('/run', '{}');
    await delay(SETTLE_MS);
    const bytes = target.pssBytes();
    return {
      what: 'idle memory of the process tree (PSS), after one activation',
      measured: megabytes(bytes),
      target: `<= ${megabytes(MOST_IDLE_BYTES)}`,
      reached: bytes > 0 && bytes <= MOST_IDLE_BYTES,
    };
  } finally {
    await target.stop();
  }
}

async function roundTrip(): Promise<Finding> {
  const target = await Target.start();
  try {
    target.install({ script: '#!/bin/sh\ncat\n' });
    const argument = `{"text":"${'é~'.repeat(333_333)}"}`;
    const result = `{"text":"${'é~'.repeat(1_666_666)}"}`;
    const one = await target.post('/run', `{"value":${argument}}`);
    const five = await target.post('/run', `{"value":${result}}`);
    const same = one.body.equals(Buffer.from(argument)) && five.body.equals(Buffer.from(result));
    return {
      what: `an argument of ${megabytes(one.body.length)} and a result of ${megabytes(five.body.length)}, byte for byte`,
      measured: same ? 'the same' : 'different',
      target: 'the same',
      reached: same,
    };
  } finally {
    await target.stop();
  }
}

async function logging(how: string, script: string): Promise<Finding> {
  const target = await Target.start();
  try {
    target.install({ script: '#!/bin/sh\necho "{}"\n' });
    for (let count = 0; count < 20; count++) await target.post('/run', '{}');
    await delay(SETTLE_MS);
    const before = target.pssBytes();
    target.install({ script });
    const { status } = await target.post('/run', '{}');
    await delay(SETTLE_MS);
    const grown = target.pssBytes() - before;
    return {
      what: `memory kept after an activation that logs 1 GB (${how}; status ${status})`,
      measured: megabytes(grown),
      target: `<= ${megabytes(SLACK_BYTES)}`,
      reached: status === 200 && grown <= SLACK_BYTES,
    };
  } finally {
    await target.stop();
  }
}
