import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../conformance/target/free-port.js';
import { actionLoopScript } from '../support/actionloop-server.js';
import { logFile } from '../support/log-file.js';
import { RawConnection } from '../support/raw-http.js';
import { FRONT_ENDS, type FrontEndName, RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';
import { until } from '../support/waiting.js';

/** Notes each activation in the file `ran` of the server's folder. */
const noting = (folder: string): string => `#!/bin/sh\necho "$1" >>${folder}/ran\ncat\n`;
const notingLoop = (folder: string): string =>
  actionLoopScript(`echo "$line" >>${folder}/ran\nprintf "%s\\n" "$line" >&3`);

/** How each protocol is started, initialised and asked. */
const PROTOCOLS = [
  { name: 'classic', path: '/run', flags: [], readiness: '/readyz', action: noting, metricsPort: false },
  {
    name: 'actionloop',
    path: '/run',
    flags: ['--protocol', 'actionloop'],
    readiness: '/readyz',
    action: notingLoop,
    metricsPort: false,
  },
  {
    name: 'knative',
    path: '/',
    flags: ['--platform', 'knative'],
    readiness: '/_hyperskeleton/readyz',
    action: noting,
    metricsPort: true,
  },
] as const;

const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const body = (token: string): string => `{"value":{"token":"${token}"}}`;
const LARGE = `{"value":{"x":"${'x'.repeat(400_000)}"}}`;

/** Requests that are never finished: their headers besides Host, and what is sent of their bodies. */
const CUT: readonly (readonly [header: string, sent: string])[] = [
  ['Transfer-Encoding: chunked', chunk(body('one chunk, no end'))],
  ['Transfer-Encoding: Chunked', chunk(body('another case, no end'))],
  ['Transfer-Encoding: chunked', `${chunk(body('a piece of the next'))}5\r\n `],
  ['Transfer-Encoding: chunked', chunk(LARGE)],
  ['Content-Length: 3000', body('a small body cut short')],
  ['Content-Length: 300000', body('a large body cut short')],
  [`Content-Length: ${LARGE.length + 50_000}`, LARGE],
  ['Content-Length: 100', ''],
];

let server: RunServer | undefined;
const log = logFile();
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function start(
  protocol: (typeof PROTOCOLS)[number],
  http: FrontEndName,
  env: Readonly<Record<string, string>> = {},
): Promise<{ running: RunServer; pages: number }> {
  const pages = protocol.metricsPort ? await freePort() : 0;
  server = await RunServer.start({
    engine: 'posix_spawn',
    http,
    flags: [...protocol.flags, ...(pages > 0 ? ['--metrics-port', String(pages)] : [])],
    readiness: protocol.readiness,
    env: { HYPERSKELETON_LOG_FILE: log, ...env },
  });
  const code = protocol.action(server.folder);
  const init = protocol.name === 'knative' ? { init: { code } } : { value: { code } };
  const path = protocol.name === 'knative' ? '/' : '/init';
  expect((await server.post(path, JSON.stringify(init))).status).toBe(200);
  return { running: server, pages: pages || server.port };
}

const abortedAt = async (port: number, during: string): Promise<number> =>
  (await scrape(port)).value(`hyperskeleton_requests_aborted_total{during="${during}"}`) ?? 0;

const RUNS = FRONT_ENDS.flatMap((http) =>
  PROTOCOLS.map((protocol) => ({ http, protocol, name: protocol.name })),
);

describe.each(RUNS)('C-SRV-12: a request that did not come whole ($name, $http)', ({ protocol, http }) => {
  it.each(['closed', 'reset'])('by a client that has %s the connection: is none', async (how) => {
    const { running, pages } = await start(protocol, http);
    for (const [header, sent] of CUT) {
      const connection = await RawConnection.open(running.port);
      connection.send(`POST ${protocol.path} HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n${sent}`);
      // What was sent has been read: the server has answered another request since.
      await running.post('/nothing', '{}');
      if (how === 'reset') connection.socket.resetAndDestroy();
      else connection.close();
    }
    await until('all are counted', async () => (await abortedAt(pages, 'body')) === CUT.length);
    expect(existsSync(join(running.folder, 'ran'))).toBe(false);
    expect(running.takeLogs().stdout.length).toBe(0);
    const records = readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"request aborted"'));
    expect(records.length).toBeGreaterThanOrEqual(CUT.length);
    expect((await scrape(pages)).value('hyperskeleton_buffered_bytes')).toBe(0);
    const whole = await running.post(protocol.path, body('whole'));
    expect(whole.status).toBe(200);
    expect(readFileSync(join(running.folder, 'ran'), 'utf8')).toContain('whole');
  });

  it('of which nothing comes any more: is none, and answered 408', async () => {
    const { running, pages } = await start(protocol, http, { HYPERSKELETON_STALL_TIMEOUT_MS: '2500' });
    const connections = [];
    for (const [header, sent] of CUT) {
      const connection = await RawConnection.open(running.port);
      connection.send(`POST ${protocol.path} HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n${sent}`);
      connections.push(connection);
    }
    for (const connection of connections) {
      expect((await connection.answer())?.status).toBe(408);
      await connection.ended();
    }
    expect((await scrape(pages)).value('hyperskeleton_refusals_total{code="request_timeout"}')).toBe(
      CUT.length,
    );
    expect(existsSync(join(running.folder, 'ran'))).toBe(false);
    expect((await scrape(pages)).value('hyperskeleton_buffered_bytes')).toBe(0);
  });

  it('does not hold up a shutdown', async () => {
    const { running } = await start(protocol, http);
    const connection = await RawConnection.open(running.port);
    connection.send(`POST ${protocol.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n{"value":`);
    await running.post('/nothing', '{}');
    const ended = new Promise((resolve) => running.process.once('exit', resolve));
    running.process.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(existsSync(join(running.folder, 'ran'))).toBe(false);
  });
});

describe.each(FRONT_ENDS)('C-SRV-12: a client that leaves (%s)', (http) => {
  it('during a run is counted, and the run is finished', async () => {
    const { running, pages } = await start(PROTOCOLS[0], http);
    await running.install(
      `#!/bin/sh\nread -r _ <${running.folder}/gate\necho '{}' | tee ${running.folder}/done\n`,
    );
    const { execFileSync } = await import('node:child_process');
    execFileSync('mkfifo', [join(running.folder, 'gate')]);
    const connection = await RawConnection.open(running.port);
    connection.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
    await until(
      'it runs',
      async () => ((await scrape(pages)).value('hyperskeleton_activations_in_flight') ?? 0) > 0,
    );
    // With node:http a client that only closes its sending side still waits for its answer.
    connection.socket.resetAndDestroy();
    await until('it is counted', async () => (await abortedAt(pages, 'run')) === 1);
    execFileSync('sh', ['-c', `echo go >${running.folder}/gate`]);
    await until('it is done', () => existsSync(join(running.folder, 'done')));
  });

  it('before it has taken a large answer is counted, and the answer’s memory is free again', async () => {
    const { running, pages } = await start(PROTOCOLS[0], http);
    const bytes = 20_000_000;
    await running.install(`#!/bin/sh\nprintf '{"x":"'; head -c ${bytes} /dev/zero | tr '\\0' x; echo '"}'\n`);
    const connection = await RawConnection.open(running.port);
    connection.socket.pause();
    connection.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
    const held = async (): Promise<number> =>
      (await scrape(pages)).value('hyperskeleton_buffered_bytes') ?? 0;
    await until('the answer waits', async () => (await held()) >= bytes && !(await isRunning(pages)));
    connection.close();
    await until('it is counted', async () => (await abortedAt(pages, 'answer')) === 1);
    expect(await held()).toBe(0);
    // Who reads gets it all.
    const answer = await running.run();
    expect(answer.body.length).toBe(bytes + 8);
    await until('its memory is free', async () => (await held()) === 0);
    expect(await abortedAt(pages, 'answer')).toBe(1);
  });
});

async function isRunning(port: number): Promise<boolean> {
  return ((await scrape(port)).value('hyperskeleton_activations_in_flight') ?? 0) > 0;
}
