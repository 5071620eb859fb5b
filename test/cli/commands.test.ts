import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { commandsOf } from '../../src/cli/commands.js';

const BINARY = fileURLToPath(new URL('../../bin/hyperskeleton', import.meta.url));
const COMMANDS = commandsOf(new URL('file:///'));
const OWN_HELP = COMMANDS.filter(({ name }) => name !== 'bench').map(({ name }) => name);

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(BINARY, args, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

describe('hyperskeleton', () => {
  it.each(OWN_HELP)('help %s prints its options and examples, as %s --help does', (name) => {
    const help = run('help', name);
    expect(help).toMatchObject({ status: 0, stderr: '' });
    expect(help.stdout).toContain(`Usage: hyperskeleton ${name}`);
    for (const { options, examples } of COMMANDS.filter((command) => command.name === name)) {
      for (const text of [...Object.keys(options).map((flag) => `--${flag}`), ...examples])
        expect(help.stdout).toContain(text);
    }
    expect(run(name, '--help')).toEqual(help);
  });

  it('without arguments prints every command', () => {
    expect(run()).toEqual(run('--help'));
  });

  it('says of a variable that looks like a setting that it is none', () => {
    const env = { ...process.env, HYPERSKELETON_ENGIN: 'x', HYPERSKELETON_COLOUR: 'y' };
    const { stderr } = spawnSync(BINARY, ['invoke', '/nowhere'], { env, encoding: 'utf8' });
    expect(stderr).toContain('HYPERSKELETON_ENGIN is no setting, did you mean HYPERSKELETON_ENGINE?');
    expect(stderr).toContain('HYPERSKELETON_COLOUR is no setting\n');
  });

  it('--help, -h and help print every command', () => {
    const [first, ...others] = [run('--help'), run('-h'), run('help')];
    expect(first).toMatchObject({ status: 0, stderr: '' });
    for (const { name, summary } of COMMANDS)
      expect(first.stdout).toMatch(new RegExp(`^  ${name} +${summary[0]}`, 'm'));
    for (const other of others) expect(other).toEqual(first);
  });

  it.each([
    ['hyperskeleton inv', 'invoke'],
    ['hyperskeleton invoke --para', '--param --params'],
    ['hyperskeleton serve --max-in', '--max-in-flight'],
    ['hyperskeleton help com', 'compile completion'],
  ])('completes %j in bash', (line, expected) => {
    const script = `eval "$(${BINARY} completion bash)"; COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _hyperskeleton; echo "\${COMPREPLY[*]}"`;
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
    });
    expect([stdout, stderr]).toEqual([`${expected}\n`, '']);
  });

  it('completes in no other shell', () => {
    expect(run('completion', 'fish')).toMatchObject({ status: 1, stdout: '' });
    expect(run('completion', 'zsh').stdout).toContain('bashcompinit');
  });

  it('-v prints the version', () => {
    expect(run('-v')).toEqual(run('--version'));
    expect(run('-v').stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('pack, which takes no settings, is not refused for a wrong one', () => {
    const output = join(mkdtempSync(join(tmpdir(), 'hyperskeleton-pack-')), 'action.zip');
    const env = { ...process.env, HYPERSKELETON_THREADS: 'many' };
    expect(spawnSync(BINARY, ['pack', BINARY, '-o', output], { env, encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    });
    rmSync(dirname(output), { recursive: true });
    expect(spawnSync(BINARY, ['doctor'], { env, encoding: 'utf8' }).status).toBe(2);
  });

  it.each([
    [['help', 'fly'], 'there is no command fly'],
    [['server'], 'there is no command server, did you mean serve?'],
    [['help', 'inovke'], 'there is no command inovke, did you mean invoke?'],
    [['serve', '--prot', '1'], 'there is no flag --prot, did you mean --port?'],
    [['serve', '--max-inflight', '1'], 'there is no flag --max-inflight, did you mean --max-in-flight?'],
    [['invoke'], 'invoke takes PATH'],
    [['invoke', 'a', 'b'], 'invoke takes PATH'],
    [['serve', 'a'], 'serve takes no operands'],
    [['pack', 'a', '--colour'], "Unknown option '--colour'"],
    [['pack', 'a', '--port', '1'], "Unknown option '--port'"],
  ])('%j is not understood: status 2', (args, problem) => {
    const { status, stderr } = run(...args);
    expect(status).toBe(2);
    expect(stderr).toContain(problem);
  });
});
