import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../conformance/target/free-port.js';
import { file } from '../support/repository.js';
import { until } from '../support/waiting.js';

let folder: string;
let npm: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-npm-'));
});
afterEach(() => {
  npm?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function isUp(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ status }) => status === 200,
    () => false,
  );
}

describe('npm start', () => {
  it('SIGTERM to npm ends the server, which finishes as ever', async () => {
    const port = await freePort();
    // The build is not made anew below the other tests.
    npm = spawn(
      'npm',
      ['start', '--ignore-scripts', '--', '--port', String(port), '--action-root', join(folder, 'action')],
      {
        cwd: file(''),
        stdio: 'ignore',
        env: { ...process.env, HYPERSKELETON_LOG_FILE: join(folder, 'log') },
      },
    );
    const url = `http://127.0.0.1:${port}/readyz`;
    await until('the server is up', () => isUp(url));
    const ended = once(npm, 'exit');
    npm.kill('SIGTERM');
    await ended;
    await until('the server has ended', async () => !(await isUp(url)));
    expect(readFileSync(join(folder, 'log'), 'utf8')).not.toMatch(/"level":"?(error|fatal)/);
  });
});
