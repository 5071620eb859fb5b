import { describe, expect, it } from 'vitest';
import { readOptions, UsageError } from '../../conformance/options.js';
import { runSuite } from './run-suite.js';

describe('the command line', () => {
  it.each([
    [[]],
    [['--target', 'http://127.0.0.1:1', '--start', 'x {port}']],
    [['--start', 'no place for the port']],
    [['--target', 'https://127.0.0.1:1']],
    [['--target', 'http://127.0.0.1:1/path']],
    [['--target', 'http://127.0.0.1:1', '--protocol', 'other']],
    [['--target', 'http://127.0.0.1:1', '--timeout-ms', 'soon']],
    [['--target', 'http://127.0.0.1:1', '--env', 'A=b']],
    [['--start', 'x {port}', '--env', 'A']],
    [['--start', 'x {port}', '--version', '=1']],
    [['--from', 'x.json']],
    [['--nonsense']],
    [['word', '--start', 'x {port}']],
  ])('%j makes no sense', (args) => {
    expect(() => readOptions(args)).toThrow(UsageError);
  });

  it('reads variables, rules and an address', () => {
    expect(
      readOptions(['--start', 'x {port}', '--env', 'A=b=c', '--env', 'D=', '--only', 'C-RUN,C-LOG-01']),
    ).toMatchObject({
      target: { protocol: 'classic', command: { template: 'x {port}', env: { A: 'b=c', D: '' } } },
      only: ['C-RUN', 'C-LOG-01'],
    });
    expect(readOptions(['--target', 'http://[::1]:81', '--protocol', 'knative'])).toMatchObject({
      target: { protocol: 'knative', address: { host: '::1', port: 81 } },
    });
  });

  it.each([
    ['no target', [], /one of --start, --target and --from/],
    ['nobody at the address', ['--target', 'http://127.0.0.1:1'], /can't be reached: .*ECONNREFUSED/],
    ['a server that ends', ['--start', 'echo gone >&2; exit 3 # {port}'], /ended with 3 .*: gone/],
    ['a rule that is none', ['--start', 'x {port}', '--only', 'C-NONE'], /no case of classic/],
  ] as const)('%s: exit status 2, and stderr says why', async (_what, args, says) => {
    const { status, stdout, stderr } = await runSuite(args, { writesJson: false });
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(says);
  });

  it('--help is no error', async () => {
    const { status, stdout } = await runSuite(['--help'], { writesJson: false });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^usage: /);
  });
});
