import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archiveBody, LINK, script, textBody, zipOf } from '../support/archives.js';
import { compileAction, readProbe, variablesOf } from '../support/run-programs.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { treeOf } from '../support/trees.js';
import { until } from '../support/waiting.js';

const M_STUB = '{"error":"This is a stub action. Replace it with custom logic."}';

describe.each(ENGINES)('inits while runs are in flight (%s)', (engine) => {
  let server: RunServer;

  beforeEach(async () => {
    server = await RunServer.start({ engine, env: { PROXY_ALLOW_REINIT: '1' } });
  });
  afterEach(() => server.stop());

  /** Runs all the time while the inits go on, and returns what the runs answered. */
  async function runsDuring(clients: number, inits: () => Promise<void>): Promise<string[]> {
    let done = false;
    const runs = Array.from({ length: clients }, async () => {
      const seen: string[] = [];
      while (!done) {
        const answer = await server.run();
        seen.push(`${answer.status} ${answer.body.toString()}`);
      }
      return seen;
    });
    try {
      await inits();
    } finally {
      done = true;
    }
    return (await Promise.all(runs)).flat();
  }

  it('C-INIT-23: a binary is replaced by itself under load, never busy, never missing', async () => {
    const probe = readFileSync(await compileAction('probe'));
    const body = (version: number): string =>
      archiveBody(
        zipOf([
          { name: 'exec', data: probe, mode: 0o100755 },
          { name: 'version', data: String(version) },
        ]),
        { env: { VERSION: String(version) } },
      );
    expect((await server.post('/init', body(0))).status).toBe(200);
    const seen = await runsDuring(3, async () => {
      for (let version = 1; version <= 15; version++) {
        expect((await server.post('/init', body(version))).status).toBe(200);
      }
    });
    expect(seen.length).toBeGreaterThan(10);
    for (const answer of seen) expect(answer).toMatch(/^200 /);
    const last = readProbe((await server.run()).body);
    expect(variablesOf(last).get('VERSION')).toBe('15');
  });

  it('C-INIT-23: scripts, links and binaries take turns', async () => {
    const version = (count: number): string => {
      const line = `echo '{"version":${count}}'`;
      if (count % 3 === 0) return textBody(`#!/bin/sh\n${line}\n`);
      if (count % 3 === 1) return archiveBody(zipOf([script('exec', line)]));
      return archiveBody(
        zipOf([{ name: 'exec', data: 'bin/real', mode: LINK | 0o777 }, script('bin/real', line)]),
      );
    };
    await server.post('/init', version(0));
    const seen = await runsDuring(3, async () => {
      for (let count = 1; count <= 30; count++) {
        expect((await server.post('/init', version(count))).status).toBe(200);
        const next = await server.run();
        expect(next.body.toString()).toBe(`{"version":${count}}`);
      }
    });
    for (const answer of seen) expect(answer).toMatch(/^200 \{"version":\d+\}$/);
  });

  it('C-INIT-23: inits that fail are not noticed by any run', async () => {
    await server.post('/init', textBody('#!/bin/sh\necho \'{"steady":1}\'\n', { env: { KEPT: 'yes' } }));
    const before = treeOf(server.actionRoot);
    const broken = [
      archiveBody(Buffer.from('no zip')),
      archiveBody(zipOf([script('exec', 'echo "{}"'), { name: '../evil', data: 'x' }])),
      archiveBody(zipOf([script('exec', 'echo "{}"'), { name: 'x', data: 'x', claimedCrc: 1 }])),
      archiveBody(zipOf([{ name: 'exec', data: 'nowhere', mode: LINK | 0o777 }])),
      '{"value":{"binary":true,"code":"???"}}',
      '{"value":{"code":"#!/bin/sh\\necho {}","env":{"A=B":"x"}}}',
      'no JSON',
    ];
    const seen = await runsDuring(2, async () => {
      for (let round = 0; round < 3; round++) {
        for (const body of broken) expect((await server.post('/init', body)).status).not.toBe(200);
      }
    });
    for (const answer of seen) expect(answer).toBe('200 {"steady":1}');
    expect(treeOf(server.actionRoot)).toEqual(before);
  });
});

/** Looks for a file, at the end of a link too, without a pause, on a thread of its own, until the shared number is set. */
const LOOKOUT = `
  const { statSync } = require('node:fs');
  const { parentPort, workerData } = require('node:worker_threads');
  let misses = 0;
  for (let looks = 0; Atomics.load(workerData.stop, 0) === 0; looks++) {
    if (!statSync(workerData.path, { throwIfNoEntry: false })?.isFile()) misses++;
    if (looks === 0) parentPort.postMessage('looking');
  }
  parentPort.postMessage(misses);
`;

describe('replacing', () => {
  it.each([
    ['a file by a file', 'file', 'file'],
    ['a link by a link', 'link', 'link'],
    ['a link by a file', 'link', 'file'],
    ['a file by a link', 'file', 'link'],
  ])('C-INIT-23: %s leaves no moment without exec', async (_what, even, odd) => {
    // A shell opens its script by name after the start, so that no lock on starts would help it.
    const server = await RunServer.start({ engine: 'posix_spawn', env: { PROXY_ALLOW_REINIT: '1' } });
    const version = (count: number): string => {
      const exec =
        (count % 2 === 0 ? even : odd) === 'file'
          ? script('exec', 'echo "{}"')
          : { name: 'exec', data: `bin/${count % 2}`, mode: LINK | 0o777 };
      return archiveBody(zipOf([exec, script('bin/0', 'echo "{}"'), script('bin/1', 'echo "{}"')]));
    };
    try {
      await server.post('/init', version(0));
      const missed = await missesDuring(server.exec, async () => {
        for (let count = 1; count <= 100; count++) {
          expect((await server.post('/init', version(count))).status).toBe(200);
        }
      });
      expect(missed).toBe(0);
    } finally {
      await server.stop();
    }
  });

  it.each([
    ['leads nowhere', { name: 'exec', data: 'nowhere', mode: LINK | 0o777 }],
    ['is a folder', { name: 'exec/file', data: 'x' }],
  ])('C-INIT-23: by an exec that %s leaves no moment without one', async (_what, entry) => {
    const server = await RunServer.start({ engine: 'posix_spawn', env: { PROXY_ALLOW_REINIT: '1' } });
    try {
      await server.post('/init', archiveBody(zipOf([script('exec', 'echo "{}"')])));
      const missed = await missesDuring(server.exec, async () => {
        for (let count = 0; count < 100; count++) {
          expect((await server.post('/init', archiveBody(zipOf([entry])))).status).toBe(502);
        }
      });
      expect(missed).toBe(0);
    } finally {
      await server.stop();
    }
  });
});

/** How often the file was not there while something was done. */
async function missesDuring(path: string, act: () => Promise<void>): Promise<number> {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const lookout = new Worker(LOOKOUT, { eval: true, workerData: { path, stop } });
  await once(lookout, 'message');
  try {
    await act();
  } finally {
    Atomics.store(stop, 0, 1);
  }
  const [misses] = await once(lookout, 'message');
  return misses as number;
}

describe.each(ENGINES)('what a further init leaves of the one before (%s)', (engine) => {
  let server: RunServer;

  beforeEach(async () => {
    server = await RunServer.start({ engine, env: { PROXY_ALLOW_REINIT: '1' } });
  });
  afterEach(() => server.stop());

  it('C-INIT-23: a failed one leaves the variables too', async () => {
    await server.post('/init', textBody('#!/bin/sh\necho "[\\"$KEPT\\"]"\n', { env: { KEPT: 'first' } }));
    const failed = archiveBody(Buffer.from('no zip'), { env: { KEPT: 'second' } });
    expect((await server.post('/init', failed)).status).toBe(502);
    expect((await server.run()).body.toString()).toBe('["first"]');
  });

  it('C-INIT-02: one without code keeps the action and takes its variables', async () => {
    await server.post(
      '/init',
      textBody('#!/bin/sh\necho "[\\"$A\\",\\"$B\\"]"\n', { env: { A: '1', B: '1' } }),
    );
    expect((await server.post('/init', '{"value":{"env":{"B":"2"}}}')).status).toBe(200);
    expect((await server.run()).body.toString()).toBe('["","2"]');
  });

  it('C-INIT-06: files of the one before that the new archive does not name stay', async () => {
    const first = [script('exec', 'cat one'), { name: 'one', data: '{"file":1}' }];
    await server.post('/init', archiveBody(zipOf(first)));
    await server.post('/init', archiveBody(zipOf([{ name: 'two', data: 'x' }])));
    expect((await server.run()).body.toString()).toBe('{"file":1}');
    expect(Object.keys(treeOf(server.actionRoot))).toEqual(['exec', 'one', 'two']);
  });

  it('C-INIT-11: a folder may take the place of a file, and a file of a folder', async () => {
    const exec = script('exec', 'if [ -d a ]; then echo \'["folder"]\'; else echo \'["file"]\'; fi');
    await server.post('/init', archiveBody(zipOf([exec, { name: 'a', data: 'x' }])));
    expect((await server.post('/init', archiveBody(zipOf([{ name: 'a/b', data: 'x' }])))).status).toBe(200);
    expect((await server.run()).body.toString()).toBe('["folder"]');
    expect((await server.post('/init', archiveBody(zipOf([{ name: 'a', data: 'y' }])))).status).toBe(200);
    expect((await server.run()).body.toString()).toBe('["file"]');
  });

  it('C-INIT-23: files that a run has written stay, the action folder is the same folder', async () => {
    await server.post('/init', textBody('#!/bin/sh\necho written > kept\nls -di . >&2\necho "{}"\n'));
    await server.run();
    const inode = server.takeRunLogs().stderr;
    await server.post('/init', textBody('#!/bin/sh\ncat kept >&2\nls -di . >&2\necho "{}"\n'));
    await server.run();
    expect(server.takeRunLogs().stderr).toBe(`written\n${inode}`);
  });
});

describe.each(ENGINES)('the first init (%s)', (engine) => {
  it('C-INIT-20: runs that come while it is under way wait for it, and get its outcome', async () => {
    const server = await RunServer.start({ engine });
    try {
      expect((await server.run()).body.toString()).toBe(M_STUB);
      const entries = [
        script('exec', 'echo \'{"unpacked":1}\''),
        ...Array.from({ length: 3000 }, (_, at) => ({ name: `many/${at}`, data: 'x' })),
      ];
      const init = server.post('/init', archiveBody(zipOf(entries)));
      await until('it unpacks', () => readdirSync(server.actionRoot).length > 1);
      const runs = Array.from({ length: 5 }, () => server.run());
      for (const answer of await Promise.all(runs)) expect(answer.body.toString()).toBe('{"unpacked":1}');
      expect((await init).status).toBe(200);
    } finally {
      await server.stop();
    }
  });
});
