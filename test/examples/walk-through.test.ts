import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunServer, SENTINEL } from '../support/run-server.js';

const execute = promisify(execFile);
const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

let folder: string;
let server: RunServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-walk-'));
  server = await RunServer.start({ engine: 'auto' });
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The code blocks of a language under the heading "Walk-through". */
function blocks(file: string, language: string): string[] {
  const text = readFileSync(join(PROJECT, file), 'utf8');
  const section = /^## Walk-through$([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(text)?.[1] ?? '';
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    ([, block]) => block ?? '',
  );
}

/** Pastes commands into a shell, in a folder of their own, with the server in place of the one on 8080. */
async function paste(commands: string): Promise<string> {
  const onOurPort = commands.replaceAll('localhost:8080', `127.0.0.1:${server.port}`);
  const { stdout } = await execute('bash', ['-euc', onOurPort], { cwd: folder });
  return stdout.replaceAll('\r', '');
}

/** Splits a console block into its commands, each with the lines that are shown after it. */
function dialogue(console: string): { command: string; shown: string[] }[] {
  return console
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...shown] = part.split('\n');
      return { command, shown: shown.filter((line) => line !== '') };
    });
}

describe("README's walk-through", () => {
  it('can be pasted, and shows what it says', async () => {
    const [makeAction] = blocks('README.md', 'sh');
    const [requests] = blocks('README.md', 'console');
    await paste(makeAction ?? '');
    const steps = dialogue(requests ?? '');
    expect(steps.map(({ command }) => /\/(init|run)$/.exec(command)?.[1])).toEqual(['init', 'run']);
    for (const { command, shown } of steps) {
      const lines = (await paste(command)).split('\n');
      expect(lines).toEqual(expect.arrayContaining(shown));
      expect(shown.length).toBeGreaterThan(2);
    }
    expect(server.takeRunLogs()).toEqual({ stdout: '', stderr: '' });
  });
});

describe('the walk-through of examples/README.md', () => {
  it('can be pasted, and shows what it says', async () => {
    cpSync(join(PROJECT, 'examples'), join(folder, 'examples'), { recursive: true });
    const [commands = '', single = ''] = blocks('examples/README.md', 'sh');
    const [log = ''] = blocks('examples/README.md', 'text');
    const output = await paste(commands);
    const shown = [...commands.matchAll(/^# (.*)$/gm)].map(([, line]) => line);
    expect(output).toBe(shown.join(''));
    const { stdout, stderr } = server.takeLogs();
    expect(`${stdout.toString()}${stderr.toString()}`).toBe(log);
    expect(log).toContain(SENTINEL);
    await paste(single);
  });
});
