import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { resolveExporterEndpoint } from '../../../src/observability/tracing/exporter-endpoint.js';
import { logFile } from '../../support/log-file.js';
import { attribute, OtlpReceiver } from '../../support/otlp-receiver.js';
import { RunServer } from '../../support/run-server.js';
import { scrape } from '../../support/scrape.js';
import { until } from '../../support/waiting.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const TRACEPARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const BASE = 'http://collector:4318';

describe('where traces go', () => {
  it.each([
    ['below the base address', { base: BASE }, {}, `${BASE}/v1/traces`],
    ['below it, whatever it ends in', { base: `${BASE}/x//` }, {}, `${BASE}/x/v1/traces`],
    ['to their own address, as it is', { base: BASE, traces: 'http://t/own' }, {}, 'http://t/own'],
    ['nowhere without an address', {}, {}, undefined],
    ['nowhere with the SDK disabled', { base: BASE }, { OTEL_SDK_DISABLED: 'TRUE' }, undefined],
    ['nowhere with no exporter', { base: BASE }, { OTEL_TRACES_EXPORTER: 'none' }, undefined],
    [
      'on, with otlp among exporters',
      { base: BASE },
      { OTEL_TRACES_EXPORTER: 'console, otlp' },
      `${BASE}/v1/traces`,
    ],
    [
      'on, as JSON over HTTP',
      { base: BASE },
      { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' },
      `${BASE}/v1/traces`,
    ],
  ])('%s', (_, endpoints: { base?: string; traces?: string }, environment, url) => {
    const { base, traces } = endpoints;
    expect(resolveExporterEndpoint({ base, traces }, environment)).toEqual({ url, warnings: [] });
  });

  it.each([
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', false],
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'grpc', false],
    ['OTEL_TRACES_EXPORTER', 'zipkin', false],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http/protobuf', true],
    ['OTEL_PROPAGATORS', 'b3', true],
  ])('has a remark on %s=%s', (name, value, goesOn) => {
    const { url, warnings } = resolveExporterEndpoint({ base: BASE, traces: undefined }, { [name]: value });
    expect(url !== undefined).toBe(goesOn);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`${name}=${value}`);
  });

  it('has the protocol for traces before the one for everything', () => {
    const environment = {
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    };
    expect(resolveExporterEndpoint({ base: BASE, traces: undefined }, environment).warnings).toEqual([]);
  });
});

describe('the variables of OpenTelemetry', () => {
  const open: (OtlpReceiver | RunServer)[] = [];
  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each.stop();
  });

  async function collector(status?: number, path?: string): Promise<OtlpReceiver> {
    const receiver = await OtlpReceiver.start(status, path);
    open.push(receiver);
    return receiver;
  }

  async function serverWith(env: Record<string, string>): Promise<RunServer> {
    const server = await RunServer.start({
      engine: 'posix_spawn',
      env: { HYPERSKELETON_TRACING: 'otel', ...env },
    });
    open.push(server);
    await server.install('#!/bin/sh\necho "{}"\n');
    return server;
  }

  async function runAndEnd(server: RunServer, headers: Record<string, string> = {}): Promise<void> {
    expect((await server.post('/run', '{}', headers)).status).toBe(200);
    const exited = once(server.process, 'exit');
    server.process.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  }

  it('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is where traces go, and …_HEADERS go with them', async () => {
    const receiver = await collector(200, '/own/path');
    const server = await serverWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.endpoint}/own/path`,
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=k1,x-tenant=t%201',
    });
    await runAndEnd(server, { traceparent: TRACEPARENT, tracestate: 'rojo=1,congo=2' });
    expect(Object.keys(receiver.trace(TRACE))).toContain('activation');
    expect(receiver.trace(TRACE).activation?.traceState).toBe('rojo=1,congo=2');
    expect(receiver.headers[0]).toMatchObject({ 'api-key': 'k1', 'x-tenant': 't 1' });
  });

  it('OTEL_TRACES_SAMPLER decides, and the caller’s decision stands where it says so', async () => {
    const receiver = await collector();
    const server = await serverWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0',
    });
    await server.run({}, { activation_id: 'unsampled' });
    await runAndEnd(server, { traceparent: TRACEPARENT });
    expect(receiver.spans.map(({ traceId }) => traceId)).toEqual(receiver.spans.map(() => TRACE));
    expect(receiver.spans.map((span) => attribute(span, 'faas.invocation_id'))).not.toContain('unsampled');
    expect(receiver.spans).toHaveLength(4);
  });

  it('a protocol that is not spoken is told in the log, and activations are served', async () => {
    const receiver = await collector();
    const file = logFile();
    const server = await serverWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      HYPERSKELETON_LOG_FILE: file,
    });
    await runAndEnd(server);
    expect(receiver.text).toBe('');
    expect(readFileSync(file, 'utf8')).toContain('OTEL_EXPORTER_OTLP_PROTOCOL=grpc');
  });

  it('a sampler that is not known is told in the log', async () => {
    const receiver = await collector();
    const file = logFile();
    const server = await serverWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_TRACES_SAMPLER: 'sometimes',
      HYPERSKELETON_LOG_FILE: file,
    });
    await runAndEnd(server);
    expect(readFileSync(file, 'utf8')).toMatch(/OTEL_TRACES_SAMPLER.*sometimes/);
    expect(receiver.spans).toHaveLength(4);
  });

  it('what becomes of spans is counted: sent', async () => {
    const receiver = await collector();
    const server = await serverWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '1',
    });
    await server.run();
    const sent = 'hyperskeleton_trace_spans_total{result="sent"}';
    await until('they are sent', async () => (await scrape(server.port)).value(sent) === 4);
  });

  it('what becomes of spans is counted and told: the collector did not take them', async () => {
    const receiver = await collector(400);
    const file = logFile();
    const server = await serverWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '1',
      HYPERSKELETON_LOG_FILE: file,
    });
    await server.run();
    const failed = 'hyperskeleton_trace_spans_total{result="failed"}';
    await until('they have failed', async () => (await scrape(server.port)).value(failed) === 4);
    expect(readFileSync(file, 'utf8')).toMatch(/"failed":4.*"msg":"traces could not be sent"/);
  });

  it('what becomes of spans is counted: dropped, while a collector that never answers holds them up', async () => {
    const receiver = await collector(0);
    const server = await serverWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '1',
      OTEL_BSP_EXPORT_TIMEOUT: '60000',
      OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
      OTEL_BSP_MAX_QUEUE_SIZE: '8',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4',
    });
    await server.run();
    await until('the collector has the first batch', () => receiver.headers.length === 1);
    for (let count = 0; count < 5; count++) expect((await server.run()).status).toBe(200);
    const page = await scrape(server.port);
    expect(page.value('hyperskeleton_trace_spans_total{result="dropped"}')).toBe(5 * 4 - 8);
    expect(page.value('hyperskeleton_trace_spans_total{result="sent"}')).toBe(0);
  });

  it('nothing is counted where nothing is traced', async () => {
    const server = await serverWith({});
    const names = (await scrape(server.port)).series;
    expect(names.filter((name) => name.startsWith('hyperskeleton_trace_'))).toEqual([]);
  });
});
