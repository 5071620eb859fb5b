import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../conformance/target/free-port.js';
import { textBody } from '../support/archives.js';
import { file } from '../support/repository.js';
import { until } from '../support/waiting.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-terminal-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the server’s log at a terminal', () => {
  it('has one line for each activation: how it ended first, then time and size', async () => {
    const port = await freePort();
    const typescript = join(folder, 'typescript');
    const command = `exec ${file('bin/hyperskeleton')} serve --port ${port} --action-root ${folder}/action`;
    const terminal = spawn('script', ['--quiet', '--flush', '--command', command, typescript], {
      stdio: 'ignore',
      env: { ...process.env, PROXY_ALLOW_REINIT: '1', SHELL: '/bin/sh' },
    });
    const post = (path: string, body: string): Promise<number> =>
      fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body }).then(
        ({ status }) => status,
        () => 0,
      );
    const shown = (): string => stripVTControlCharacters(readFileSync(typescript, 'latin1'));
    try {
      await until('it serves', async () => (await post('/run', '{}')) === 200);
      expect(await post('/init', textBody('#!/bin/sh\necho 42\nexit 0\n'))).toBe(200);
      expect(await post('/run', '{}')).toBe(502);
      await until('both are there', () => /run run_invalid_result/.test(shown()));
      expect(shown()).toMatch(/INFO {2}run ok \d+ ms \d+ B\r?\n/);
      expect(shown()).toMatch(/WARN {2}run run_invalid_result scalar exit 0 \d+ ms explanation=/);
    } finally {
      const ended = once(terminal, 'exit');
      terminal.kill('SIGTERM');
      await ended;
    }
  });
});
