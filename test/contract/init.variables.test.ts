import { execFile } from 'node:child_process';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { archiveBody, textBody, zipOf } from '../support/archives.js';
import { compileAction, readProbe, variablesOf } from '../support/run-programs.js';
import { ENGINES, RunServer } from '../support/run-server.js';

const execute = promisify(execFile);

async function compileInto(folder: string, name: string, source: string, ...flags: string[]): Promise<void> {
  await writeFile(join(folder, 'source.c'), source);
  await execute('gcc', ['-w', '-o', join(folder, name), join(folder, 'source.c'), ...flags]);
}

describe.each(ENGINES)('env of an init, as a process gets it (%s)', (engine) => {
  let server: RunServer;
  let probe: string;

  beforeAll(async () => {
    probe = await compileAction('probe');
  });
  beforeEach(async () => {
    server = await RunServer.start({ engine, env: { PROXY_ALLOW_REINIT: '1', INHERITED: 'server' } });
    await server.installProgram(probe);
  });
  afterEach(() => server.stop());

  async function variablesWith(
    env: string,
    context: Record<string, unknown> = {},
  ): Promise<Map<string, string>> {
    const answer = await server.post('/init', `{"value":{"env":${env}}}`);
    expect([answer.status, answer.body.toString()]).toEqual([200, 'OK']);
    return variablesOf(readProbe((await server.run({}, context)).body));
  }

  it('C-INIT-18: names keep their case, values every character', async () => {
    const env = {
      lower: 'é𝒳',
      'with.dot-and blank': 'a=b=c',
      __OW_API_KEY: 'user:key',
      LINES: 'a\nb\r\n\tc',
    };
    const variables = await variablesWith(JSON.stringify(env));
    for (const [name, value] of Object.entries(env)) expect(variables.get(name)).toBe(value);
    expect(variables.get('INHERITED')).toBe('server');
  });

  it('C-INIT-18: the JSON text of a value is the one that was sent, on one line', async () => {
    const env = `{"N":-0.0e+10,"L":123456789012345678901234567890,"O":{ "b" : [1,\n2 ],"a":"\\u00e9"},"A":[ ],"F":false}`;
    const variables = await variablesWith(env);
    expect(Object.fromEntries([...variables].filter(([name]) => name.length === 1))).toEqual({
      N: '-0.0e+10',
      L: '123456789012345678901234567890',
      O: '{ "b" : [1,2 ],"a":"\\u00e9"}',
      A: '[ ]',
      F: 'false',
    });
  });

  it('C-INIT-18: of a name that comes twice the last counts, and no process gets a name twice', async () => {
    expect(
      (await variablesWith('{"TWICE":"1","TWICE":"2","INHERITED":"init","__OW_X":"init"}', { x: 'run' })).get(
        'TWICE',
      ),
    ).toBe('2');
    const report = readProbe((await server.run({}, { x: 'run' })).body);
    const names = report.environment.map((entry) => entry.toString().split('=')[0]);
    expect(names).toHaveLength(new Set(names).size);
    const variables = variablesOf(report);
    expect([variables.get('INHERITED'), variables.get('__OW_X')]).toEqual(['init', 'run']);
  });

  it('C-INIT-18: what the platform sends is there in every run, its own values win', async () => {
    const env = JSON.stringify({
      __OW_API_KEY: 'init-key',
      __OW_NAMESPACE: 'ns',
      __OW_ACTIVATION_ID: 'of-the-init',
    });
    const first = await variablesWith(env, { activation_id: 'of-the-run', deadline: '123' });
    expect([first.get('__OW_API_KEY'), first.get('__OW_NAMESPACE')]).toEqual(['init-key', 'ns']);
    expect([first.get('__OW_ACTIVATION_ID'), first.get('__OW_DEADLINE')]).toEqual(['of-the-run', '123']);
    const second = variablesOf(readProbe((await server.run({}, {})).body));
    expect([second.get('__OW_ACTIVATION_ID'), second.get('__OW_DEADLINE')]).toEqual([
      'of-the-init',
      undefined,
    ]);
  });

  it('C-INIT-18: hundreds of variables and a value of 100 kB', async () => {
    const env = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`V${at}`, `value ${at}`]));
    const variables = await variablesWith(JSON.stringify({ ...env, LARGE: 'x'.repeat(100_000) }));
    for (const [name, value] of Object.entries(env)) expect(variables.get(name)).toBe(value);
    expect(variables.get('LARGE')).toHaveLength(100_000);
  });

  describe('variables that the loader and the C library read at a program’s start', () => {
    const SAYS = '#include <stdio.h>\nint main(void) { puts("{\\"main\\":1}"); return 0; }';

    async function outputWith(
      env: Record<string, string>,
      source = SAYS,
    ): Promise<{ stdout: string; stderr: string }> {
      await compileInto(server.actionRoot, 'program', source);
      await rename(join(server.actionRoot, 'program'), server.exec);
      expect((await server.post('/init', JSON.stringify({ value: { env } }))).status).toBe(200);
      server.takeLogs();
      const logs = [];
      for (let run = 0; run < 3; run++) {
        expect((await server.run({}, { activation_id: `id-${run}` })).body.toString()).toBe('{"main":1}');
        logs.push(server.takeRunLogs());
      }
      expect(new Set(logs.map((log) => JSON.stringify(log))).size).toBe(1);
      return logs[0] as { stdout: string; stderr: string };
    }

    it('LD_PRELOAD: the library’s own code runs in every process', async () => {
      const library =
        '__attribute__((constructor)) static void begin(void) { puts("constructed"); fflush(0); }';
      await compileInto(server.actionRoot, 'lib.so', `#include <stdio.h>\n${library}`, '-shared', '-fPIC');
      const { stdout } = await outputWith({ LD_PRELOAD: join(server.actionRoot, 'lib.so') });
      expect(stdout).toBe('constructed\n');
    });

    it('LD_PRELOAD of what is not there: the loader complains each time', async () => {
      const { stderr } = await outputWith({ LD_PRELOAD: '/nowhere/lib.so' });
      expect(stderr).toContain('/nowhere/lib.so');
    });

    it('GLIBC_TUNABLES and MALLOC_PERTURB_ do what they are for', async () => {
      const source = `#include <stdio.h>
#include <stdlib.h>
int main(void) {
  unsigned char *block = malloc(100);
  fprintf(stderr, "%d", block[50]);
  puts("\\n{\\"main\\":1}");
  return 0;
}`;
      expect((await outputWith({ GLIBC_TUNABLES: 'glibc.malloc.perturb=85' }, source)).stderr).toBe('170\n');
      expect((await outputWith({ MALLOC_PERTURB_: '51' }, source)).stderr).toBe('204\n');
    });
  });

  it('C-RUN-26: variables that no process can be given are the action’s fault, told in its log', async () => {
    // One string of the environment ends at 131,072 bytes with its NUL, as one of argv does (execve(2)).
    expect(
      (await server.post('/init', textBody('#!/bin/sh\necho "{}"\n', { env: { V: 'x'.repeat(131_070) } })))
        .status,
    ).toBe(200);
    const answer = await server.run();
    expect([answer.status, answer.headers['x-hyperskeleton-error']]).toEqual([502, undefined]);
    expect(server.takeRunLogs().stdout).toMatch(/error: .*Argument list too long/);
    // The server is none the worse.
    expect((await server.post('/init', textBody('#!/bin/sh\necho "{}"\n'))).status).toBe(200);
    expect((await server.run()).status).toBe(200);
  });
});

describe('env of a refused init', () => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine: 'posix_spawn' });
  });
  afterAll(() => server.stop());

  it.each([
    ['an archive that is refused', archiveBody(Buffer.from('no zip'), { env: { LEAKED: '1' } })],
    [
      'an exec that is missing',
      archiveBody(zipOf([{ name: 'exec/x', data: 'x' }]), { env: { LEAKED: '1' } }),
    ],
    ['another bad field', '{"value":{"env":{"LEAKED":"1"},"binary":"true"}}'],
    ['a bad name beside it', '{"value":{"env":{"LEAKED":"1","":"x"}}}'],
    ['JSON that breaks off', '{"value":{"env":{"LEAKED":"1"}}'],
  ])('C-INIT-21: %s leaves no variable', async (_what, body) => {
    expect((await server.post('/init', body)).status).not.toBe(200);
    await server.install('#!/bin/sh\necho "[\\"$LEAKED\\"]"\n');
    expect((await server.run()).body.toString()).toBe('[""]');
  });
});
