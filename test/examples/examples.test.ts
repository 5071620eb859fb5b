import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunServer } from '../support/run-server.js';

const execute = promisify(execFile);
const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));
const PACK = join(EXAMPLES, 'pack.sh');
/** More than a command line holds. */
const LARGE_BYTES = 200_000;

let folder: string;
let server: RunServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-examples-'));
  server = await RunServer.start({ engine: 'auto' });
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Packs an action with pack.sh and answers the body of its init. */
async function pack(source: string): Promise<Buffer> {
  const body = join(folder, 'init.json');
  await execute(PACK, [source, body]);
  return readFileSync(body);
}

async function initialise(source: string): Promise<void> {
  const answer = await server.post('/init', await pack(source));
  expect([answer.status, answer.body.toString()]).toEqual([200, 'OK']);
}

async function expectGreeting(argumentsGiven: unknown, greeting: string): Promise<void> {
  const answer = await server.run(argumentsGiven);
  expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([200, { greeting }]);
}

describe('examples', () => {
  it.each([
    ['shell', (): Promise<string> => Promise.resolve(join(EXAMPLES, 'shell'))],
    ['shell/exec, a single file', (): Promise<string> => Promise.resolve(join(EXAMPLES, 'shell/exec'))],
    ['c', buildC],
    ['python', (): Promise<string> => Promise.resolve(join(EXAMPLES, 'python'))],
    ['node', (): Promise<string> => Promise.resolve(join(EXAMPLES, 'node'))],
  ])('%s: packs, initialises, logs and greets', async (_name, source) => {
    await initialise(await source());
    await expectGreeting({ name: 'Ada' }, 'Hello, Ada!');
    const { stdout, stderr } = server.takeRunLogs();
    expect(stdout).toMatch(/^greeting "?Ada"?\n$/);
    expect(stderr).toBe('');
    await expectGreeting({ name: 'A "q" \\ é' }, 'Hello, A "q" \\ é!');
    await expectGreeting({}, 'Hello, stranger!');
    await expectGreeting({ name: 'Ada', more: 'x'.repeat(LARGE_BYTES) }, 'Hello, Ada!');
  });

  async function buildC(): Promise<string> {
    const out = join(folder, 'c');
    await execute(join(EXAMPLES, 'c/build.sh'), [out]);
    return out;
  }
});

describe('pack.sh', () => {
  it('keeps modes, and packs what no command line could hold, with line breaks in the base64', async () => {
    const action = join(folder, 'action');
    mkdirSync(join(action, 'bin'), { recursive: true });
    writeFileSync(join(action, 'exec'), '#!/bin/sh\nexec bin/tool\n');
    writeFileSync(join(action, 'bin/tool'), '#!/bin/sh\necho "{\\"bytes\\": $(wc -c <data)}"\n');
    writeFileSync(join(action, 'data'), randomBytes(LARGE_BYTES));
    chmodSync(join(action, 'exec'), 0o755);
    chmodSync(join(action, 'bin/tool'), 0o755);
    const { value } = JSON.parse((await pack(action)).toString()) as { value: { code: string } };
    expect(value.code).toContain('\n');
    await initialise(action);
    const answer = await server.run();
    expect(JSON.parse(answer.body.toString())).toEqual({ bytes: LARGE_BYTES });
  });

  it('refuses a folder without exec, and says so', async () => {
    await expect(execute(PACK, [folder])).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('neither an executable nor a folder with exec in it') as string,
    });
  });

  it('tells its usage', async () => {
    await expect(execute(PACK, [])).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('usage:') as string,
    });
  });
});
