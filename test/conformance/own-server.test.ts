import { describe, expect, it } from 'vitest';
import { runSuite } from './run-suite.js';

const START = 'exec bin/hyperskeleton serve --port {port} --action-root {actionRoot}';
const SUITE_TIMEOUT_MS = 300_000;

/** Each protocol that the server has, with what makes it speak it. */
const PROTOCOLS: readonly { readonly protocol: string; readonly more: readonly string[] }[] = [
  { protocol: 'classic', more: [] },
  { protocol: 'knative', more: [] },
  { protocol: 'actionloop', more: ['--env', 'HYPERSKELETON_PROTOCOL=actionloop'] },
];

describe.each(PROTOCOLS)('the server by the conformance suite ($protocol)', ({ protocol, more }) => {
  it('keeps every rule', { timeout: SUITE_TIMEOUT_MS }, async () => {
    const { status, stdout, report } = await runSuite(['--start', START, '--protocol', protocol, ...more]);
    const failed = report?.cases.filter(({ result }) => result === 'failed');
    expect(failed, stdout.slice(-3000)).toEqual([]);
    const skipped = report?.cases.filter(({ result }) => result === 'skipped');
    expect(skipped).toEqual([]);
    expect(status).toBe(0);
  });
});
