import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-http.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { childrenOf, templatesOf, until } from '../support/waiting.js';

const AT_ONCE = 10;
const WARM_UP_ROUNDS = 1;
const ROUNDS = 5;

/** What a server holds of the system. */
interface Holdings {
  /** What each descriptor leads to, sorted, without the numbers that differ each time and without those of templates. */
  readonly descriptors: readonly string[];
  readonly threads: number;
  readonly children: number;
  readonly temporaryFiles: readonly string[];
  readonly actionFiles: readonly string[];
}

function holdingsOf(server: RunServer): Holdings {
  const folder = `/proc/${server.pid}/fd`;
  const kinds = readdirSync(folder)
    .map((fd) => kindOf(`${folder}/${fd}`))
    .filter((kind) => kind !== undefined);
  // The fork server has two of each process that is prepared; how many there are is a matter of the moment.
  for (const _template of templatesOf(server.pid))
    for (const kind of ['socket:[N]', 'anon_inode:[pidfd]']) {
      const at = kinds.indexOf(kind);
      if (at >= 0) kinds.splice(at, 1);
    }
  return {
    descriptors: kinds.sort(),
    threads: Number(/^Threads:\s*(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, 'latin1'))?.[1]),
    children: childrenOf(server.pid).length,
    temporaryFiles: readdirSync(server.temporary).sort(),
    actionFiles: readdirSync(server.actionRoot).sort(),
  };
}

/** What a descriptor is; undefined when it has been closed since it was listed. */
function kindOf(link: string): string | undefined {
  try {
    return readlinkSync(link).replace(/\d+/g, 'N');
  } catch {
    return undefined;
  }
}

/** Nothing is under way: no process, and no connection but the one that listens. */
function isAtRest({ children, descriptors }: Holdings): boolean {
  const passing = descriptors.filter((kind) => /^(socket:|anon_inode:\[pidfd\])/.test(kind));
  return children === 0 && passing.length <= 1;
}

/** A client that goes away when it has asked for a run. */
async function leave(server: RunServer): Promise<void> {
  const connection = await RawConnection.open(server.port);
  connection.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
  connection.close();
  await connection.ended();
}

describe.each(ENGINES)('after 500 runs, most of which fail (%s)', (engine) => {
  it('descriptors, threads, processes and files are where they began', async () => {
    const server = await RunServer.start({ engine, flags: ['--threads', '2'] });
    const atOnce = (run: () => Promise<unknown>): Promise<unknown> =>
      Promise.all(Array.from({ length: AT_ONCE }, run));
    const large = `{"value":{},"large":"${'x'.repeat(200_000)}"}`;

    const round = async (): Promise<void> => {
      for (const script of ['echo "{}"', 'echo none; exit 3', 'kill -KILL $$', 'exec >&- 2>&- <&-']) {
        await server.install(`#!/bin/sh\n${script}\n`);
        await atOnce(() => server.run({ x: 'y'.repeat(100_000) }));
      }
      await server.install('#!/bin/sh\nsleep 0.1 &\necho "{}"\n');
      await atOnce(() => server.run());
      for (const program of ['no program\n', '#!/nowhere/interpreter\n']) {
        await server.install(program);
        await atOnce(() => server.run());
      }
      await server.install('#!/bin/sh\nread -r line\necho "{}"\n');
      await atOnce(() => server.runBody(large));
      await atOnce(() => server.runBody('no JSON'));
      await atOnce(() => server.post('/init', '{"value":{"binary":true,"code":"AAAA"}}'));
      await atOnce(() => leave(server));
      // Last, so that nothing is prepared for a next run.
      await rm(server.exec);
      await atOnce(() => server.run());
    };

    try {
      for (let count = 0; count < WARM_UP_ROUNDS; count++) await round();
      let before = holdingsOf(server);
      await until('the server is at rest', () => {
        before = holdingsOf(server);
        return isAtRest(before);
      });
      for (let count = 0; count < ROUNDS; count++) await round();
      let after = holdingsOf(server);
      await until('the server is at rest again', () => {
        after = holdingsOf(server);
        return isAtRest(after);
      });
      expect(after).toEqual(before);
    } finally {
      await server.stop();
    }
  });
});
