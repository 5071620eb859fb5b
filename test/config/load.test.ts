import { describe, expect, it } from 'vitest';
import { commandsOf } from '../../src/cli/commands.js';
import { helpText } from '../../src/cli/help.js';
import { type Config, loadConfig } from '../../src/config/load.js';
import { SETTINGS } from '../../src/config/settings.js';

function loaded(flags: Record<string, string>, env: Record<string, string>): Config {
  const config = loadConfig(flags, env);
  if ('problems' in config) throw new Error(config.problems.join('\n'));
  return config;
}

describe('settings', () => {
  it('C-SRV-01: the port comes from --port, then FLASK_PROXY_PORT, then PORT, then it is 8080', () => {
    const env = { FLASK_PROXY_PORT: '2', PORT: '3' };
    expect(loaded({ port: '1' }, env).port).toBe(1);
    expect(loaded({}, env).port).toBe(2);
    expect(loaded({}, { PORT: '3' }).port).toBe(3);
    expect(loaded({}, { PORT: '' }).port).toBe(8080);
  });

  it('tells all faults at once, each with its source, its value and what is allowed', () => {
    const faulty = loadConfig({ threads: '0' }, { PORT: '99999', HYPERSKELETON_ENGINE: 'warp' });
    expect(faulty).toEqual({
      problems: [
        'PORT="99999": must be a whole number from 0 to 65535',
        'HYPERSKELETON_ENGINE="warp": must be one of auto, forkserver, posix_spawn, child_process',
        '--threads="0": must be a whole number from 1 to 32',
      ],
    });
  });

  it.each(['', ' 1', '1.5', '-1', '0x10', '1e3', 'NaN'])('takes no port %j', (port) => {
    expect(loadConfig({ port }, {})).toHaveProperty('problems');
  });

  it('C-INIT-20: only exactly 1 allows a further init', () => {
    expect(loaded({}, { PROXY_ALLOW_REINIT: '1' }).allowReinit).toBe(true);
    for (const text of ['true', '01', ' 1', '']) {
      expect(loaded({}, { PROXY_ALLOW_REINIT: text }).allowReinit).toBe(false);
    }
  });

  it('are frozen', () => {
    expect(Object.isFrozen(loaded({}, {}))).toBe(true);
  });

  it('--help names every flag and variable', () => {
    const text = helpText(commandsOf(new URL('file:///')));
    for (const { flag, env } of Object.values(SETTINGS)) {
      expect(text).toContain(`--${flag}\n`);
      for (const name of env) expect(text).toContain(name);
    }
  });
});
