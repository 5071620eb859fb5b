import { afterEach, describe, expect, it } from 'vitest';
import {
  actionLoopInit,
  actionLoopScript,
  errorOf,
  startActionLoopServer,
} from '../support/actionloop-server.js';
import type { RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';

const EXTRA_LINES = 'hyperskeleton_actionloop_extra_lines_total';
const NUMBERED = `echo '{"ok":true,"numbered":true}' >&3`;

describe.each(['posix_spawn', 'child_process'])('lines with numbers (%s)', (engine) => {
  let server: RunServer;
  const start = async (each: string, env: Record<string, string> = {}, before = NUMBERED): Promise<void> => {
    server = await startActionLoopServer({ engine, env: { OW_WAIT_FOR_ACK: '1', ...env } });
    const answer = await server.post('/init', actionLoopInit(actionLoopScript(each, before)));
    expect(answer.body.toString()).toBe('{"ok":true}\n');
  };
  afterEach(() => server.stop());

  it('C-AL-23: the request has a number before it, and the answer is what follows its number, byte for byte', async () => {
    await start(`number=\${line%% *}; printf "%s  [ 1.50,\\"%s\\" ] \\n" "$number" "$number" >&3`);
    const seen = [await server.run(), await server.run()];
    expect(seen.map(({ body }) => body.toString())).toEqual([' [ 1.50,"1" ] \n', ' [ 1.50,"2" ] \n']);
  });

  it('C-AL-23: a process that does not ask for numbers gets none', async () => {
    await start('printf "%s\\n" "$line" >&3', {}, `echo '{"ok":true}' >&3`);
    expect((await server.run({ a: 1 })).body.toString()).toBe('{"value":{"a":1}}\n');
  });

  it.each(['0 {}', '2 {}', '{}', '', ' {}', '1', 'one {}', '01 {}', '1\t{}', '-1 {}'])(
    'C-AL-23: %j answers nothing: the run fails, and the next one gets a new process',
    async (line) => {
      await start(
        `case $line in *bad*) printf '%s\\n' '${line}' >&3;; *) echo "\${line%% *} [$$]" >&3;; esac`,
      );
      const answer = await server.run({ bad: 1 });
      expect([answer.status, errorOf(answer)]).toEqual([400, 'command exited']);
      expect(server.takeLogs().stderr.toString()).toContain('a line that answers no request');
      expect((await server.run({ a: 1 })).status).toBe(200);
      expect((await scrape(server.port)).value(EXTRA_LINES)).toBe(1);
    },
  );

  it('C-AL-23: with several at a time the answers may come in any order', async () => {
    await start('read -r b; read -r c; for l in "$c" "$line" "$b"; do printf "%s\\n" "$l" >&3; done', {
      HYPERSKELETON_ACTIONLOOP_PIPELINE: '3',
    });
    const runs = Array.from({ length: 9 }, (_, run) => server.run({ run }));
    const seen = (await Promise.all(runs)).map(({ body }) => body.toString());
    expect(seen).toEqual(Array.from({ length: 9 }, (_, run) => `{"value":{"run":${run}}}\n`));
  });

  it('C-AL-10: a line that follows the acknowledgement fails the init', async () => {
    server = await startActionLoopServer({ engine, env: { OW_WAIT_FOR_ACK: '1' } });
    const before = `printf '{"ok":true}\\n{"extra":1}\\n' >&3`;
    const answer = await server.post('/init', actionLoopInit(actionLoopScript('', before)));
    expect([answer.status, errorOf(answer)]).toEqual([502, 'cannot start action: command exited']);
  });
});
