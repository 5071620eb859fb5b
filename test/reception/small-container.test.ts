import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { type MemoryGroup, memoryGroup } from '../../grafana/verify/memory-group.js';
import { BLOCK_BYTES, tarEntry } from '../../robustness/fuzz/tar-blocks.js';
import { actionLoopInit, ECHO } from '../support/actionloop-server.js';
import { archiveBody, script, textBody, zipOf } from '../support/archives.js';
import { RawConnection } from '../support/raw-http.js';
import { compileAction } from '../support/run-programs.js';
import { type Answer, RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';
import { until } from '../support/waiting.js';
import { listingOf } from '../support/zip-listing.js';

const MIB = 1024 * 1024;
/** The default limit of entries allows 195,000; that takes minutes on two cores. */
const FILES = Number(process.env.HYPERSKELETON_SMALL_CONTAINER_FILES ?? 40_000);
const CONTAINER_BYTES = 256 * MIB;
const ECHO_STDIN = '#!/bin/sh\ncat\n';

let server: RunServer | undefined;
let group: MemoryGroup | undefined;
afterEach(async () => {
  await server?.stop();
  const [running, emptied] = [server, group];
  server = group = undefined;
  if (running !== undefined && emptied !== undefined)
    await until('the group is empty', () => emptied.remove());
});

const probe = memoryGroup(CONTAINER_BYTES);
probe?.remove();

/** Starts a server in a container of 256 MiB. */
async function start(env: Record<string, string> = {}, engine = 'auto'): Promise<RunServer> {
  group = memoryGroup(CONTAINER_BYTES);
  const launcher = `echo $$ > ${group?.members}; exec "$@"`;
  server = await RunServer.start({ engine, launcher, env: { PROXY_ALLOW_REINIT: '1', ...env } });
  return server;
}

/** Sends a request while another caller's activations go on one after the other, and checks these. */
async function beside(running: RunServer, send: () => Promise<Answer>): Promise<Answer> {
  let isOver = false;
  const sent = send().finally(() => {
    isOver = true;
  });
  const sibling = async (): Promise<void> => {
    for (let count = 0; !isOver || count < 3; count++) {
      const answer = await running.run({ count });
      expect([answer.status, answer.body.toString()]).toEqual([
        200,
        expect.stringContaining(`"count":${count}`),
      ]);
    }
  };
  const [answer] = await Promise.all([sent, sibling()]);
  expect(group?.killed()).toBe(0);
  expect(running.process.exitCode).toBe(null);
  return answer;
}

const exec = script('exec', 'cat');
/** An action that uses so many MB for half a second. */
async function holder(megabytes: string): Promise<Buffer> {
  return readFileSync(await compileAction('hold-memory', ['-static', `-DMEGABYTES=${megabytes}`]));
}

/** Entries without data in folders that only their names imply. */
const manyFiles = (count: number): Buffer =>
  zipOf([
    exec,
    ...Array.from({ length: count }, (_, at) => ({
      name: `${'d/'.repeat(8)}${at % 1000}/${at}`,
      data: '',
      stored: true,
    })),
  ]);

/** Many gzip members of zeros: a tar's end that goes on for long. */
const zeros = (mebibytes: number): Buffer => {
  const member = gzipSync(Buffer.alloc(32 * MIB), { level: 9 });
  return Buffer.concat(Array.from({ length: mebibytes / 32 }, () => member));
};
const tarExec = tarEntry('exec', '#!/bin/sh\nwhile read -r line; do echo "$line" >&3; done\n');
/** The header block of an extended header of that length (POSIX.1-2017, pax). */
const longHeader = (bytes: number): Buffer =>
  tarEntry('PaxHeader', '', { type: 'x', size: `${bytes.toString(8).padStart(11, '0')}\0` }).subarray(
    0,
    BLOCK_BYTES,
  );

describe.skipIf(probe === undefined)(
  'a container of 256 MiB lives, and the activations of others go on',
  () => {
    it.each([
      [`${FILES} files in folders that only their names imply`, 200, () => manyFiles(FILES)],
      ['300,000 names of one file', 502, () => listingOf('x', 300_000)],
      ['124 names of 4 MiB of zeros that lie at one place', 502, () => listingOf(Buffer.alloc(4 * MIB), 124)],
      ['600 MiB of zeros', 502, () => zipOf([exec, { name: 'zeros', data: Buffer.alloc(600 * MIB) }])],
    ])(
      'an archive of %s',
      async (_, status, zip) => {
        const running = await start();
        await running.install(ECHO_STDIN);
        expect((await running.post('/init', textBody(ECHO_STDIN))).status).toBe(200);
        const body = archiveBody(zip());
        const answer = await beside(running, () => running.post('/init', body));
        expect([answer.status, answer.body.toString().slice(0, 300)]).toMatchObject([
          status,
          expect.anything(),
        ]);
      },
      300_000,
    );

    it.each([
      ['with a header of 1.5 GB', () => Buffer.concat([gzipSync(longHeader(1536 * MIB)), zeros(1536)])],
      ['with 2 GB of zeros at its end', () => Buffer.concat([gzipSync(tarExec), zeros(2048)])],
    ])(
      'a tar %s',
      async (_, tar) => {
        const running = await start({ HYPERSKELETON_PROTOCOL: 'actionloop' });
        expect((await running.post('/init', actionLoopInit(ECHO))).status).toBe(200);
        const body = archiveBody(tar());
        const answer = await beside(running, () => running.post('/init', body));
        expect([answer.status, answer.body.toString().slice(0, 300)]).toMatchObject([502, expect.anything()]);
      },
      300_000,
    );

    it.each(['/run', '/init'])(
      '12 MB of small members to %s',
      async (path) => {
        const running = await start();
        await running.install(ECHO_STDIN);
        const body = `{${'"a":0,'.repeat(2 * MIB)}"a":0}`;
        const answer = await beside(running, () => running.post(path, body));
        expect(answer.status).toBeLessThan(503);
      },
      300_000,
    );

    it('uploads of 60 MB that stand still', async () => {
      const running = await start();
      await running.install(ECHO_STDIN);
      const head = `POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: ${60 * MIB}\r\n\r\n{"value":{"x":"`;
      const uploads = await Promise.all(Array.from({ length: 6 }, () => RawConnection.open(running.port)));
      const piece = 'y'.repeat(50 * MIB);
      for (const upload of uploads) {
        upload.send(head);
        upload.send(piece);
      }
      const answer = await beside(running, () => running.run({ large: 'z'.repeat(MIB) }));
      expect(answer.status).toBe(200);
      for (const upload of uploads) upload.close();
    }, 300_000);

    it('four results of 62 MB at the same time', async () => {
      const running = await start();
      await running.install(
        '#!/bin/sh\ncase $1 in *big*) printf \'{"x":"\'; head -c 62000000 /dev/zero | tr "\\0" z; echo \'"}\' ;; *) cat ;; esac\n',
      );
      const large = (): Promise<Answer> => running.run({ big: true });
      const answers: number[] = [];
      await beside(running, async () => {
        const [first, ...others] = await Promise.all([large(), large(), large(), large()]);
        answers.push(first.status, ...others.map(({ status }) => status));
        return first;
      });
      for (const status of answers) expect([200, 500]).toContain(status);
    }, 300_000);

    it('forty activations at the same time that need 20 MB each', async () => {
      const running = await start();
      await running.install(await holder('20'));
      const runs = Array.from({ length: 40 }, (_, count) => running.run({ count }));
      const statuses = (await Promise.all(runs)).map(({ status }) => status);
      expect(statuses).toEqual(statuses.map(() => 200));
      expect(group?.killed()).toBe(0);
      const limit = (await scrape(running.port)).value('hyperskeleton_admission_limit');
      expect(limit).toBeLessThan(12);
    }, 300_000);

    it.each(['forkserver', 'posix_spawn'])(
      'an activation that needs more than there is (%s)',
      async (engine) => {
        const running = await start({}, engine);
        await running.install(await holder('400'));
        const answer = await running.run();
        expect([answer.status, answer.headers['x-hyperskeleton-cause']]).toEqual([502, 'run_killed']);
        expect(running.takeLogs().stdout.toString()).toMatch(
          engine === 'forkserver'
            ? /^error: killed: the container ran out of memory \(limit 256 MiB, this process \d+ MiB\)$/m
            : /^error: killed: the container ran out of memory \(limit 256 MiB\)$/m,
        );
        expect((await scrape(running.port)).value('hyperskeleton_oom_kills_total')).toBe(1);
      },
      300_000,
    );
  },
);
