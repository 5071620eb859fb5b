import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';
import { until } from '../support/waiting.js';

const FEW = 'ulimit -n 256; exec "$@"';
/** More than the limit on open files lets the server have. */
const FLOOD = 400;
const RUN = 'POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}';

const sockets: Socket[] = [];
let server: RunServer | undefined;
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.stop();
});

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function statusOf(socket: Socket): Promise<string> {
  socket.write(RUN);
  const [head] = (await once(socket, 'data')) as [Buffer];
  return head.toString('latin1', 0, 12);
}

describe.each(['uws', 'node'] as const)('more connections than open files allow (%s)', (http) => {
  it('are closed at once, counted and logged; those held and their activations have their descriptors', async () => {
    server = await RunServer.start({
      engine: 'auto',
      http,
      launcher: FEW,
      flags: ['--log-file', '/dev/stderr'],
    });
    await server.install('#!/bin/sh\necho "{}"\n');
    const { port } = server;
    const held = await open(port);
    await Promise.all(Array.from({ length: FLOOD }, () => open(port)));
    await until('the rest is closed', () => sockets.filter(({ closed }) => closed).length > FLOOD / 2);
    for (let run = 0; run < 20; run++) expect(await statusOf(held)).toBe('HTTP/1.1 200');
    for (const socket of sockets.splice(0)) socket.destroy();
    await until('another is taken', async () => (await server?.run().catch(() => undefined))?.status === 200);
    const { value } = await scrape(port);
    expect(value('hyperskeleton_connections_refused_total')).toBeGreaterThan(FLOOD / 2);
    await until('the engine that was made amid the flood starts one', async () => {
      await server?.run();
      return (await scrape(port)).value('hyperskeleton_activation_starts_total{engine="forkserver"}') !== 0;
    });
    expect(server.takeLogs().stderr.toString()).toContain('connections refused: too many are open');
  });

  it('do not end a server that starts', async () => {
    const flood = `
import socket, sys, time
def connected():
    one = socket.socket()
    try: one.connect(('127.0.0.1', int(sys.argv[1]))); return one
    except OSError: one.close()
held = []
end = time.time() + 30
while not held and time.time() < end:
    first = connected()
    if first: held.append(first)
for _ in range(${FLOOD}):
    one = socket.socket(); one.setblocking(False); one.connect_ex(('127.0.0.1', int(sys.argv[1]))); held.append(one)
time.sleep(2)
`;
    // "$@" is the command: its fourth word is the port.
    const launcher = `/usr/bin/python3 -c "${flood}" "$4" & ${FEW}`;
    server = await RunServer.start({ engine: 'auto', http, launcher });
    await server.install('#!/bin/sh\necho "{}"\n');
    expect((await server.run()).status).toBe(200);
    const { value } = await scrape(server.port);
    expect(value('hyperskeleton_connections_refused_total')).toBeGreaterThan(0);
  });
});
