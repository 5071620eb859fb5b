import { once } from 'node:events';
import { expect, it } from 'vitest';
import { actionLoopInit, ECHO, startActionLoopServer } from '../../support/actionloop-server.js';
import { archiveBody, script, zipOf } from '../../support/archives.js';
import { attribute, OtlpReceiver, type ReceivedSpan } from '../../support/otlp-receiver.js';
import { RunServer } from '../../support/run-server.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const OTHER = '1bf7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

/** Ends a server as a platform does: what has not been sent yet is. */
async function end(server: RunServer): Promise<void> {
  const exited = once(server.process, 'exit');
  server.process.kill('SIGTERM');
  await exited;
}

function traced(trace: string): Record<string, string> {
  return { traceparent: `00-${trace}-${PARENT}-01` };
}

/** Each begins where the one before it has ended, within the whole. */
function expectOneAfterTheOther(whole: ReceivedSpan | undefined, parts: (ReceivedSpan | undefined)[]): void {
  const times = [whole, ...parts].map((span) => [
    BigInt(span?.startTimeUnixNano ?? 0),
    BigInt(span?.endTimeUnixNano ?? 0),
  ]) as [[bigint, bigint], ...[bigint, bigint][]];
  const [[begin, over], ...rest] = times;
  let last = begin;
  for (const [from, to] of rest) {
    expect(from).toBe(last);
    expect(to).toBeGreaterThanOrEqual(from);
    last = to;
  }
  expect(last).toBeLessThanOrEqual(over);
  for (const part of parts) expect(part?.parentSpanId).toBe(whole?.spanId);
}

it('an init has a span with the way of its code below it, and so has one that fails', async () => {
  const collector = await OtlpReceiver.start();
  const server = await RunServer.start({
    engine: 'posix_spawn',
    env: { HYPERSKELETON_OTLP_ENDPOINT: collector.endpoint },
  });
  try {
    const broken = JSON.stringify({ value: { binary: true, code: 'no base64!' } });
    expect((await server.post('/init', broken, traced(OTHER))).status).toBe(502);
    const body = archiveBody(zipOf([script('exec', 'echo "{}"')]));
    expect((await server.post('/init', body, traced(TRACE))).status).toBe(200);
    await end(server);
    const { init, receive, queue, install, ...more } = collector.trace(TRACE);
    expect(more).toEqual({});
    expect([init?.parentSpanId, init?.kind]).toEqual([PARENT, 2]);
    expectOneAfterTheOther(init, [receive, queue, install]);
    expect(attribute(init, 'hyperskeleton.outcome')).toBe('ok');
    expect(Number(attribute(init, 'hyperskeleton.code_bytes'))).toBeGreaterThan(50);
    const failed = collector.trace(OTHER).init;
    expect(attribute(failed, 'error.type')).toBe('init_bad_base64');
    expect(attribute(failed, 'hyperskeleton.fault')).toBe('action');
    expect(failed?.status.code).toBe(2);
  } finally {
    await server.stop();
    await collector.stop();
  }
});

it('the init of an ActionLoop action has the start of its process, too', async () => {
  const collector = await OtlpReceiver.start();
  const server = await startActionLoopServer({
    engine: 'posix_spawn',
    env: { HYPERSKELETON_OTLP_ENDPOINT: collector.endpoint },
  });
  try {
    await server.post('/init', actionLoopInit(ECHO), traced(TRACE));
    await end(server);
    const { init, receive, queue, install, start } = collector.trace(TRACE);
    expectOneAfterTheOther(init, [receive, queue, install, start]);
  } finally {
    await server.stop();
    await collector.stop();
  }
});
