import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, startActionLoopServer } from '../support/actionloop-server.js';
import type { RunServer } from '../support/run-server.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/actionloop/', import.meta.url));

describe.each([
  ['with numbers', '1'],
  ['without numbers', ''],
])('the examples of ActionLoop, %s', (_name, acknowledged) => {
  let server: RunServer;
  afterEach(() => server.stop());

  async function start(example: string): Promise<void> {
    server = await startActionLoopServer({ engine: 'auto', env: { OW_WAIT_FOR_ACK: acknowledged } });
    const code = readFileSync(`${EXAMPLES}${example}/exec`, 'utf8');
    expect((await server.post('/init', actionLoopInit(code))).status).toBe(200);
  }

  it('C-AL-23: shell', async () => {
    await start('shell');
    const seen = await Promise.all(Array.from({ length: 5 }, () => server.run({ a: 1 })));
    const counts = seen.map(({ body }) => (JSON.parse(body.toString()) as { count: number }).count);
    expect(counts.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
  });

  it('C-AL-23: python', async () => {
    await start('python');
    const names = ['Ada', 'A "q" \\ é', ''];
    const seen = await Promise.all(names.map((name) => server.run({ name })));
    expect(seen.map(({ body }) => JSON.parse(body.toString()) as unknown)).toEqual(
      names.map((name) => ({ greeting: `Hello, ${name}!` })),
    );
  });
});
