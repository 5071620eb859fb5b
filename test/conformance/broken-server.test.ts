import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CaseResult, RunReport } from '../../conformance/report/result.js';
import { freePort } from '../../conformance/target/free-port.js';
import { runSuite } from './run-suite.js';

const SCRIPT = 'test/fixtures/conformance/broken-server.mjs';
const START = `exec node ${SCRIPT} {port} {actionRoot}`;
const SUITE_TIMEOUT_MS = 120_000;

function find(report: RunReport | undefined, title: RegExp): CaseResult {
  const found = report?.cases.filter((one) => title.test(one.title)) ?? [];
  expect(found.map((one) => one.title)).toHaveLength(1);
  return found[0] as CaseResult;
}

describe('a server that is wrong on purpose', () => {
  it('started: each fault fails its case, and the rest passes', { timeout: SUITE_TIMEOUT_MS }, async () => {
    const rules =
      'C-SRV-03,C-SRV-04,C-SRV-05,C-SRV-07,C-INIT-03,C-INIT-20,C-RUN-16,C-RUN-19,C-LOG-01,C-LOG-02';
    const { status, stdout, report } = await runSuite(['--start', START, '--only', rules]);
    expect(status).toBe(1);
    for (const [title, reason] of [
      [/^nothing is on stdout/, 'stdout: expected "", got "listening\\n"'],
      [/^another method is a 405/, 'GET /init: expected 405, got'],
      [/^another path is a 404/, 'POST /: expected 404, got 200'],
      [/^query strings are ignored/, 'the run: expected the report of the suite\'s action, got "OK"'],
      [/^404 and 405 have JSON bodies/, 'status of a 404: expected 404, got 200'],
      [/^every answer has Content-Length/, 'Content-Length of a 200: expected "'],
      [/^an init without code counts/, 'status of the second init: expected 403, got 200'],
      [/^the exit status is ignored/, 'status of the run: expected 200, got "502'],
      [/^stdout but its last line/, 'log of one activation on stderr: expected one sentinel'],
      [/^runs that follow each other/, 'stdout: expected "out 0'],
    ] as const) {
      const { result, reason: got } = find(report, title);
      expect([result, got?.slice(0, reason.length)]).toEqual(['failed', reason]);
      expect(stdout).toContain(reason);
    }
    expect(find(report, /is the result: an object$/).result).toBe('passed');
  });

  it('running already: what needs more than its address is skipped', {
    timeout: SUITE_TIMEOUT_MS,
  }, async () => {
    const root = mkdtempSync(join(tmpdir(), 'broken-server-'));
    const port = await freePort();
    const server = spawn(process.execPath, [SCRIPT, String(port), root], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      await once(server.stdout, 'data');
      const target = `http://127.0.0.1:${port}`;
      const rules = 'C-SRV-05,C-RUN-16,C-LOG-02,C-INIT-01';
      const { status, report } = await runSuite(['--target', target, '--only', rules, '--name', 'the toy']);
      expect(status).toBe(1);
      expect(report).toMatchObject({ target: 'the toy', protocol: 'classic' });
      expect(find(report, /^404 and 405 have JSON bodies/).result).toBe('failed');
      expect(find(report, /is the result: an object$/).result).toBe('passed');
      for (const title of [/^runs that follow each other/, /^success is 200, OK/]) {
        expect(find(report, title)).toMatchObject({ result: 'skipped', reason: 'needs --start' });
      }
    } finally {
      server.kill('SIGKILL');
      rmSync(root, { recursive: true });
    }
  });

  it('a case that never ends fails in its time', { timeout: SUITE_TIMEOUT_MS }, async () => {
    const silent = 'exec node -e \'require("net").createServer(() => {}).listen({port})\'';
    const args = ['--start', silent, '--only', 'C-SRV-05', '--timeout-ms', '300'];
    const { status, report } = await runSuite(args);
    expect(status).toBe(1);
    expect(report?.cases[0]?.reason).toBe('the case: expected its end, got none in 300 ms');
  });

  it('a server that hangs ends the run after some cases', { timeout: SUITE_TIMEOUT_MS }, async () => {
    const silent = 'exec node -e \'require("net").createServer(() => {}).listen({port})\'';
    const { status, report } = await runSuite(['--start', silent, '--only', 'C-INIT', '--timeout-ms', '300']);
    expect(status).toBe(1);
    const reasons = report?.cases.map(({ reason }) => reason ?? '') ?? [];
    const late = reasons.filter((reason) => reason.startsWith('the case: expected its end'));
    const untried = reasons.filter((reason) => reason === 'not tried: 4 cases in a row did not end in time');
    // The other lane may have begun one.
    expect([4, 5]).toContain(late.length);
    expect(late.length + untried.length).toBe(
      report?.cases.filter(({ result }) => result === 'failed').length,
    );
  });

  it('a running server that hangs does not keep the suite', { timeout: SUITE_TIMEOUT_MS }, async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { status, report } = await runSuite([
        '--target',
        target,
        '--only',
        'C-RUN',
        '--timeout-ms',
        '300',
      ]);
      expect(status).toBe(1);
      expect(report?.cases.filter(({ result }) => result === 'passed')).toEqual([]);
    } finally {
      server.close();
    }
  });
});
