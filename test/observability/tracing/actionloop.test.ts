import { once } from 'node:events';
import { expect, it } from 'vitest';
import { actionLoopInit, ECHO, startActionLoopServer } from '../../support/actionloop-server.js';
import { OtlpReceiver } from '../../support/otlp-receiver.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';

it('traces an ActionLoop action, whose line passes unaltered', async () => {
  const collector = await OtlpReceiver.start();
  const server = await startActionLoopServer({
    engine: 'posix_spawn',
    env: { HYPERSKELETON_OTLP_ENDPOINT: collector.endpoint },
  });
  try {
    await server.post('/init', actionLoopInit(ECHO));
    const line = '{"value":{"a":1},"traceparent":"as it came"}';
    const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;
    const answer = await server.post('/run', line, { traceparent });
    expect(answer.body.toString().trimEnd()).toBe(line);
    const exited = once(server.process, 'exit');
    server.process.kill('SIGTERM');
    await exited;
    expect(Object.keys(collector.trace(TRACE))).toEqual(['queue', 'start', 'run', 'activation']);
  } finally {
    await server.stop();
    await collector.stop();
  }
});
