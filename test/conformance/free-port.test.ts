import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const MODULE = fileURLToPath(new URL('../../dist/conformance/target/free-port.js', import.meta.url));
const TAKERS = 4;
const PORTS_EACH = 250;

const takers: ChildProcess[] = [];

afterEach(() => {
  for (const taker of takers.splice(0)) taker.kill('SIGKILL');
});

describe('a free port', () => {
  it('is nobody else’s, however many processes ask at once', async () => {
    const lists = await Promise.all(Array.from({ length: TAKERS }, takePorts));
    const ports = lists.flat();
    expect(ports).toHaveLength(TAKERS * PORTS_EACH);
    expect(new Set(ports).size).toBe(ports.length);
  });
});

/** The ports that one process got; it holds them until the test's end. */
async function takePorts(): Promise<number[]> {
  const text = `
    const { freePort } = await import(${JSON.stringify(MODULE)});
    const ports = [];
    while (ports.length < ${PORTS_EACH}) ports.push(await freePort());
    console.log(JSON.stringify(ports));
    setInterval(() => {}, 1000);`;
  const taker = spawn(process.execPath, ['--input-type=module', '-e', text], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  takers.push(taker);
  const [line] = await once(taker.stdout, 'data');
  return JSON.parse(String(line)) as number[];
}
