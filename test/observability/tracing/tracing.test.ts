import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attribute, OtlpReceiver } from '../../support/otlp-receiver.js';
import { RunServer } from '../../support/run-server.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const SECRET = 'pl4nted-s3cret';
/** Answers the trace context that it sees, and every variable named OTEL_. */
const ACTION = `#!/bin/sh
sleep 0.05
echo "{\\"own\\":\\"$TRACEPARENT\\",\\"ow\\":\\"$__OW_TRACEPARENT\\",\\"otel\\":\\"$(env | grep -c '^OTEL_')\\"}"
`;

interface Seen {
  readonly own: string;
  readonly ow: string;
  readonly otel: string;
}

async function run(server: RunServer, headers: Record<string, string> = {}, path = '/run'): Promise<Seen> {
  const body = { value: { password: SECRET }, activation_id: 'act-1', api_key: SECRET };
  const answer = await server.post(path, JSON.stringify(body), headers);
  expect(answer.status).toBe(200);
  return JSON.parse(answer.body.toString()) as Seen;
}

/** Ends a server as a platform does: what has not been sent yet is. */
async function end(server: RunServer): Promise<void> {
  const exited = once(server.process, 'exit');
  server.process.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
}

describe('with a collector', () => {
  let collector: OtlpReceiver;
  let server: RunServer;
  let continued: Seen;
  let begun: Seen;
  let unsampled: Seen;

  beforeAll(async () => {
    collector = await OtlpReceiver.start();
    const env = {
      HYPERSKELETON_TRACING: 'otel',
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.endpoint}/`,
      OTEL_SERVICE_NAME: 'my-action',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
    };
    server = await RunServer.start({ engine: 'posix_spawn', env });
    await server.install(ACTION);
    continued = await run(server, { traceparent: `00-${TRACE}-${PARENT}-01` });
    begun = await run(server);
    unsampled = await run(server, { traceparent: `00-${'a'.repeat(32)}-${PARENT}-00` });
    await server.runBody('no JSON');
    await end(server);
  });
  afterAll(async () => {
    await server.stop();
    await collector.stop();
  });

  it('makes a span of each activation, with its phases below it', () => {
    const { activation, queue, start, run: ran } = collector.trace(TRACE);
    expect(activation?.parentSpanId).toBe(PARENT);
    for (const phase of [queue, start, ran]) expect(phase?.parentSpanId).toBe(activation?.spanId);
    expect(attribute(activation, 'faas.invocation_id')).toBe('act-1');
    expect(attribute(activation, 'hyperskeleton.outcome')).toBe('ok');
    expect(activation?.status.code).toBe(0);
  });

  it('has the phases one after the other, within the activation', () => {
    const { activation, queue, start, run: ran } = collector.trace(TRACE);
    const times = [activation, queue, start, ran].map((span) => [
      BigInt(span?.startTimeUnixNano ?? 0),
      BigInt(span?.endTimeUnixNano ?? 0),
    ]) as [bigint, bigint][];
    const [whole, ...phases] = times as [[bigint, bigint], ...[bigint, bigint][]];
    let last = whole[0];
    for (const [from, to] of phases) {
      expect(from).toBe(last);
      expect(to).toBeGreaterThanOrEqual(from);
      last = to;
    }
    expect(last).toBeLessThanOrEqual(whole[1]);
    // From before its start: a busy machine may let the action run on before anybody has noticed that it has begun.
    const tookNs = Number((phases[2]?.[1] ?? 0n) - (phases[1]?.[0] ?? 0n));
    expect(tookNs).toBeGreaterThan(50e6);
    expect(Math.abs(Number(whole[1] / 1_000_000n) - Date.now())).toBeLessThan(60_000);
  });

  it('gives the action the span of its run as its trace context', () => {
    const context = `00-${TRACE}-${collector.trace(TRACE).run?.spanId}-01`;
    expect(continued).toMatchObject({ own: context, ow: context });
  });

  it('begins a trace where the request has none', () => {
    const [, trace = '', span] = begun.own.split('-');
    expect(trace).toMatch(/^[0-9a-f]{32}$/);
    expect(collector.trace(trace).run?.spanId).toBe(span);
    expect(collector.trace(trace).activation).not.toHaveProperty('parentSpanId');
  });

  it('records nothing of a trace that is not sampled, and passes it on', () => {
    expect(unsampled.own).toBe(`00-${'a'.repeat(32)}-${PARENT}-00`);
    expect(collector.trace('a'.repeat(32))).toEqual({});
  });

  it('tells cause and fault of a failure', () => {
    const failed = collector.spans.find((span) => attribute(span, 'error.type') === 'run_bad_json');
    expect(attribute(failed, 'hyperskeleton.fault')).toBe('caller');
    expect(failed?.status.code).toBe(2);
    expect(Object.keys(collector.trace(failed?.traceId ?? ''))).toEqual(['queue', 'activation']);
  });

  it('is named as OTEL_SERVICE_NAME says, which the action sees too', () => {
    const facts = Object.fromEntries(
      (collector.resources[0] ?? []).map(({ key, value }) => [key, value.stringValue]),
    );
    expect(facts).toMatchObject({ 'service.name': 'my-action', 'deployment.environment': 'test' });
    expect(continued.otel).toBe('3');
  });

  it('never has a parameter or a secret in it', () => {
    expect(collector.text).not.toContain(SECRET);
  });
});

describe('other ways to trace', () => {
  it('traces in Knative mode', async () => {
    const collector = await OtlpReceiver.start();
    const server = await RunServer.start({
      engine: 'posix_spawn',
      readiness: '/_hyperskeleton/readyz',
      env: { __OW_RUNTIME_PLATFORM: 'knative', HYPERSKELETON_OTLP_ENDPOINT: collector.endpoint },
    });
    try {
      await server.install(ACTION);
      const seen = await run(server, { traceparent: `00-${TRACE}-${PARENT}-01` }, '/');
      await end(server);
      expect(seen.own).toBe(`00-${TRACE}-${collector.trace(TRACE).run?.spanId}-01`);
    } finally {
      await server.stop();
      await collector.stop();
    }
  });

  it.each([
    ['that nobody listens on', 'http://127.0.0.1:1'],
    ['that answers 500', undefined],
  ])('is not harmed by a collector %s', async (_name, endpoint) => {
    const broken = await OtlpReceiver.start(500);
    const server = await RunServer.start({
      engine: 'posix_spawn',
      env: {
        HYPERSKELETON_TRACING: 'otel',
        HYPERSKELETON_OTLP_ENDPOINT: endpoint ?? broken.endpoint,
        OTEL_BSP_SCHEDULE_DELAY: '50',
        HYPERSKELETON_LOG_FILE: '/dev/null',
      },
    });
    try {
      await server.install('#!/bin/sh\necho "{}"\n');
      for (let count = 0; count < 10; count++) expect((await server.run()).status).toBe(200);
      const begunMs = performance.now();
      await end(server);
      expect(performance.now() - begunMs).toBeLessThan(10_000);
    } finally {
      await server.stop();
      await broken.stop();
    }
  });

  it.each([
    { HYPERSKELETON_OTLP_ENDPOINT: 'collector' },
    { HYPERSKELETON_TRACING: 'otel', OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' },
  ])('refuses to start where the address is none: %j', async (env) => {
    const start = RunServer.start({ engine: 'posix_spawn', env });
    await expect(start).rejects.toThrow('the server ended: 2');
  });
});

describe('the variables of OpenTelemetry that the action has', () => {
  const OF_ACTION = {
    OTEL_SERVICE_NAME: 'my-action',
    OTEL_RESOURCE_ATTRIBUTES: 'a=b',
    OTEL_TRACES_SAMPLER: 'always_off',
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=${SECRET}`,
  };

  it('make the server send nothing, and reach the action', async () => {
    const collector = await OtlpReceiver.start();
    const env = { ...OF_ACTION, OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint };
    const server = await RunServer.start({ engine: 'posix_spawn', env });
    try {
      await server.install(ACTION);
      expect((await run(server)).otel).toBe('5');
      await end(server);
      expect(collector.headers).toEqual([]);
    } finally {
      await server.stop();
      await collector.stop();
    }
  });

  it('do not change what the server sends by an address of its own, and reach the action too', async () => {
    const collector = await OtlpReceiver.start();
    const env = { ...OF_ACTION, HYPERSKELETON_OTLP_ENDPOINT: collector.endpoint, OTEL_SDK_DISABLED: 'true' };
    const server = await RunServer.start({ engine: 'posix_spawn', env });
    try {
      await server.install(ACTION);
      expect((await run(server)).otel).toBe('5');
      await end(server);
      const names = (collector.resources[0] ?? []).map(({ key, value }) => [key, value.stringValue]);
      expect(Object.fromEntries(names)).toMatchObject({ 'service.name': 'hyperskeleton' });
      expect(Object.fromEntries(names)).not.toHaveProperty('a');
      expect(collector.spans.map(({ name }) => name)).toContain('activation');
      expect(collector.headers[0]).not.toHaveProperty('authorization');
    } finally {
      await server.stop();
      await collector.stop();
    }
  });

  it('may have any value where they are the action’s', async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' };
    const server = await RunServer.start({ engine: 'posix_spawn', env });
    await server.stop();
  });
});

describe('without a collector', () => {
  it('passes on what came, and invents nothing', async () => {
    const server = await RunServer.start({ engine: 'posix_spawn' });
    try {
      await server.install(ACTION);
      const context = `00-${TRACE}-${PARENT}-01`;
      expect(await run(server, { traceparent: context })).toMatchObject({ own: context, ow: context });
      expect(await run(server)).toMatchObject({ own: '', ow: '' });
    } finally {
      await server.stop();
    }
  });
});
