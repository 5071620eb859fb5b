import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compileAction, readProbe, variablesOf } from '../support/run-programs.js';
import { ENGINES, RunServer } from '../support/run-server.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const TRACEPARENT = `00-${TRACE}-b7ad6b7169203331-01`;

describe.each(ENGINES)('the trace context of a request (%s)', (engine) => {
  let server: RunServer;
  beforeEach(async () => {
    server = await RunServer.start({
      engine,
      env: { HYPERSKELETON_LOG_FILE: '/dev/null', TRACEPARENT: 'of the server' },
    });
    await server.installProgram(await compileAction('probe'));
  });
  afterEach(() => server.stop());

  const seenWith = async (
    headers: Record<string, string>,
    body: unknown = {},
  ): Promise<Map<string, string>> =>
    variablesOf(readProbe((await server.post('/run', JSON.stringify(body), headers)).body));

  it('reaches the action', async () => {
    const seen = await seenWith({ traceparent: TRACEPARENT });
    expect([seen.get('TRACEPARENT'), seen.get('__OW_TRACEPARENT')]).toEqual([TRACEPARENT, TRACEPARENT]);
  });

  it('reaches the action with what systems on the way have noted', async () => {
    const seen = await seenWith({ traceparent: TRACEPARENT, tracestate: 'rojo=00f067aa0ba902b7, a@b=1' });
    const noted = 'rojo=00f067aa0ba902b7,a@b=1';
    expect([seen.get('TRACESTATE'), seen.get('__OW_TRACESTATE')]).toEqual([noted, noted]);
    expect([seen.get('TRACEPARENT'), seen.get('__OW_TRACEPARENT')]).toEqual([TRACEPARENT, TRACEPARENT]);
  });

  it.each([
    ['nothing', { traceparent: TRACEPARENT }],
    ['what can’t be read', { traceparent: TRACEPARENT, tracestate: 'no pair' }],
    ['what comes without a trace', { tracestate: 'rojo=1' }],
  ])('has nothing noted of %s', async (_, headers: Record<string, string>) => {
    const seen = await seenWith(headers);
    expect([seen.has('TRACESTATE'), seen.has('__OW_TRACESTATE')]).toEqual([false, false]);
  });

  it('nothing is invented without it, and it does not stay for the next run', async () => {
    await seenWith({ traceparent: TRACEPARENT });
    const seen = await seenWith({});
    expect([seen.get('TRACEPARENT'), seen.get('__OW_TRACEPARENT')]).toEqual(['of the server', undefined]);
  });

  it('a context key of the request wins over the header', async () => {
    const seen = await seenWith({ traceparent: TRACEPARENT }, { value: {}, traceparent: 'own' });
    expect([seen.get('TRACEPARENT'), seen.get('__OW_TRACEPARENT')]).toEqual([TRACEPARENT, 'own']);
  });

  it.each([
    'garbage',
    `ff-${TRACE}-b7ad6b7169203331-01`,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `${TRACEPARENT}-more`,
  ])('a header that is none, %s, is left out', async (traceparent) => {
    expect((await seenWith({ traceparent })).has('__OW_TRACEPARENT')).toBe(false);
  });

  it('the trace id is the exemplar of the activation in OpenMetrics', async () => {
    await seenWith({ traceparent: TRACEPARENT });
    const response = await fetch(`http://127.0.0.1:${server.port}/metrics`, {
      headers: { accept: 'application/openmetrics-text' },
    });
    const lines = (await response.text()).split('\n').filter((line) => line.includes(TRACE));
    const total = lines.filter((line) => line.includes('phase="total"'));
    expect(total).toHaveLength(1);
    expect(total[0]).toMatch(
      /^hyperskeleton_activation_duration_seconds_bucket\{.*phase="total".*\} \d+ # \{trace_id="[0-9a-f]{32}"\} [\d.e-]+ [\d.]+$/,
    );
  });
});

describe('the log line of an activation', () => {
  it('has its id, its trace, the id of the request, and no parameter', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-log-'));
    const file = join(folder, 'log');
    const server = await RunServer.start({
      engine: 'posix_spawn',
      flags: ['--log-file', file, '--log-level', 'debug'],
    });
    try {
      await server.install('#!/bin/sh\necho "{}"\n');
      const body = { value: { password: 'planted' }, activation_id: 'a1', api_key: 'planted' };
      await server.post('/run', JSON.stringify(body), { traceparent: TRACEPARENT, 'X-Request-Id': 'r1' });
      const log = readFileSync(file, 'utf8');
      const line = log.split('\n').find((one) => one.includes('"msg":"run"')) as string;
      expect(JSON.parse(line)).toMatchObject({ activationId: 'a1', traceId: TRACE, requestId: 'r1' });
      expect(log).not.toContain('planted');
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true });
    }
  });
});
