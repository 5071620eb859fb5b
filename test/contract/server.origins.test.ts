import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { OriginCheck } from '../../src/server/origin-check.js';
import { actionLoopInit, startActionLoopServer } from '../support/actionloop-server.js';
import { logFile } from '../support/log-file.js';
import { type Answer, RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';

let server: RunServer | undefined;

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const FOREIGN = {
  Origin: 'https://page.example',
  'Sec-Fetch-Site': 'cross-site',
  'Content-Type': 'text/plain',
};
const ALLOWED = 'HYPERSKELETON_ALLOWED_ORIGINS';

function expectRefused({ status, headers, body }: Answer): void {
  expect(status).toBe(403);
  expect(headers['x-hyperskeleton-error']).toBe('foreign_origin');
  expect(JSON.parse(body.toString())).toEqual({ error: expect.stringContaining(ALLOWED) });
}

describe('C-SRV-04: what a web page of another origin sends', () => {
  it.each([
    ['classic', (env: Record<string, string>) => RunServer.start({ engine: 'posix_spawn', env })],
    ['actionloop', (env: Record<string, string>) => startActionLoopServer({ engine: 'posix_spawn', env })],
  ])('%s: runs nothing, and is counted and logged', async (_protocol, start) => {
    const log = logFile();
    server = await start({ HYPERSKELETON_LOG_FILE: log });
    const script = actionLoopInit('#!/bin/sh\ntouch "$0.was-run"\necho "{}"\n');
    expectRefused(await server.post('/init', script, FOREIGN));
    expectRefused(await server.post('/run', '{}', FOREIGN));
    expect(server.takeLogs()).toEqual({ stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) });
    const page = await scrape(server.port);
    expect(page.value('hyperskeleton_refusals_total{code="foreign_origin"}')).toBe(2);
    expect(readFileSync(log, 'utf8').match(/"code":"foreign_origin"/g)).toHaveLength(2);
  });

  it('is taken if its origin is allowed', async () => {
    server = await RunServer.start({ engine: 'posix_spawn', env: { [ALLOWED]: FOREIGN.Origin } });
    await server.install('#!/bin/sh\necho "{}"\n');
    expect((await server.post('/run', '{}', FOREIGN)).status).toBe(200);
    expectRefused(await server.post('/run', '{}', { ...FOREIGN, Origin: 'https://other.example' }));
  });

  it('Knative mode serves browsers', async () => {
    server = await RunServer.start({
      engine: 'posix_spawn',
      env: { __OW_RUNTIME_PLATFORM: 'knative' },
      readiness: '/_hyperskeleton/readyz',
    });
    await server.install('#!/bin/sh\necho "{}"\n');
    expect((await server.post('/', '{"value":{}}', FOREIGN)).status).toBe(200);
  });

  it('the contract tells of the setting', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/reference/contract.md'), 'utf8');
    expect(page).toContain(ALLOWED);
  });
});

describe('an origin', () => {
  const host = '127.0.0.1:8080';
  const allows = (
    head: { origin?: string; secFetchSite?: string; host?: string },
    allowed: readonly string[] = [],
  ): boolean =>
    new OriginCheck(allowed).allows({ origin: undefined, secFetchSite: undefined, host, ...head });

  it.each([
    ['none: no browser', {}],
    ["the server's own address", { origin: 'http://127.0.0.1:8080', secFetchSite: 'same-origin' }],
    ['the same without Fetch Metadata', { origin: 'http://127.0.0.1:8080' }],
    ['an IPv6 address', { origin: 'http://[::1]:8080', host: '[::1]:8080' }],
    ['localhost in other letters', { origin: 'http://localhost:8080', host: 'LocalHost:8080' }],
    ["the scheme's own port", { origin: 'http://10.0.0.1', host: '10.0.0.1:80' }],
    ['behind TLS', { origin: 'https://hyperskeleton', host: 'hyperskeleton' }],
    ['a tab of its own: typed by a person', { secFetchSite: 'none' }],
  ])('is taken: %s', (_what, head) => {
    expect(allows(head)).toBe(true);
  });

  it.each([
    ['another site', { origin: 'https://page.example' }],
    ['another site, told by Fetch Metadata alone', { secFetchSite: 'cross-site' }],
    ['another port of this machine', { origin: 'http://127.0.0.1:3000' }],
    ['another port, told by Fetch Metadata alone', { secFetchSite: 'same-site' }],
    ['another port of localhost', { origin: 'http://localhost:3000', host: 'localhost:8080' }],
    ['a page without an origin: a file, a sandbox', { origin: 'null' }],
    [
      'a name that leads here (DNS rebinding)',
      { origin: 'http://page.example:8080', host: 'page.example:8080' },
    ],
    ['no Host', { origin: 'http://127.0.0.1:8080', host: undefined }],
    ['another scheme', { origin: 'chrome-extension://abcdef' }],
    ['no address', { origin: '127.0.0.1:8080' }],
    ['an empty one', { origin: '' }],
    ['two', { origin: 'http://127.0.0.1:8080, https://page.example' }],
  ])('is refused: %s', (_what, head) => {
    expect(allows(head as { origin?: string })).toBe(false);
    expect(allows(head as { origin?: string }, ['https://third.example'])).toBe(false);
    expect(allows(head as { origin?: string }, ['*'])).toBe(true);
  });

  it('that is allowed by name is taken whatever Fetch Metadata says', () => {
    const head = { origin: 'https://page.example', secFetchSite: 'cross-site' };
    expect(allows(head, ['https://page.example'])).toBe(true);
    expect(allows({ origin: 'null', secFetchSite: 'cross-site' }, ['null'])).toBe(true);
  });
});
