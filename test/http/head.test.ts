import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../conformance/target/free-port.js';
import { RawConnection } from '../support/raw-http.js';
import { FRONT_ENDS, RunServer } from '../support/run-server.js';

let server: RunServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

/** HEAD and GET of a page on one connection: status and length of both must be the same. */
async function expectHeadLikeGet(port: number, path: string): Promise<void> {
  const connection = await RawConnection.open(port);
  connection.send(`HEAD ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const head = (await connection.head()) ?? '';
  connection.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const got = await connection.answer();
  expect([path, head.split('\r\n')[0], got?.status]).toEqual([path, 'HTTP/1.1 200 OK', 200]);
  const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1]);
  // The page of metrics counts itself.
  if (path !== '/metrics') expect([path, length]).toEqual([path, got?.body.length]);
  expect(length).toBeGreaterThan(0);
  connection.send(`PUT ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`);
  const put = await connection.answer();
  expect([put?.status, put?.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
  connection.close();
}

describe.each(FRONT_ENDS)('HEAD is GET without a body (RFC 9110, section 9.3.2; %s)', (http) => {
  it('on the main port', async () => {
    server = await RunServer.start({ engine: 'posix_spawn', http });
    for (const path of ['/healthz', '/readyz', '/metrics']) await expectHeadLikeGet(server.port, path);
  });

  it('on the port of the metrics, in Knative mode', async () => {
    const metricsPort = await freePort();
    server = await RunServer.start({
      engine: 'posix_spawn',
      http,
      flags: ['--platform', 'knative', '--metrics-port', String(metricsPort)],
      readiness: '/_hyperskeleton/readyz',
    });
    for (const path of ['/healthz', '/readyz', '/metrics']) await expectHeadLikeGet(metricsPort, path);
    for (const path of ['/_hyperskeleton/healthz', '/_hyperskeleton/readyz'])
      await expectHeadLikeGet(server.port, path);
  });
});
