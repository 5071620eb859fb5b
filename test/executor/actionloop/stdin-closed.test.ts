import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, actionLoopScript, startActionLoopServer } from '../../support/actionloop-server.js';
import type { RunServer } from '../../support/run-server.js';
import { scrape } from '../../support/scrape.js';
import { until } from '../../support/waiting.js';

const NUMBERED = `echo '{"ok":true,"numbered":true}' >&3`;

describe('an ActionLoop process that closes its stdin', () => {
  let server: RunServer;
  afterEach(() => server.stop());

  async function start(each: string): Promise<void> {
    const env = { OW_WAIT_FOR_ACK: '1', HYPERSKELETON_ACTIONLOOP_PIPELINE: '3' };
    server = await startActionLoopServer({ engine: 'posix_spawn', env });
    const init = await server.post('/init', actionLoopInit(actionLoopScript(each, NUMBERED)));
    expect(init.status).toBe(200);
  }

  const inFlight = (count: number) => async (): Promise<boolean> =>
    (await scrape(server.port)).value('hyperskeleton_activations_in_flight') === count;

  it('has what it had not read answered by another process, also if it does not end', async () => {
    const mark = join(mkdtempSync(join(tmpdir(), 'hyperskeleton-')), 'go');
    await start(`answer="\${line%% *} [$$]"
      case $line in *first*)
        until [ -e ${mark} ]; do :; done
        exec <&-
        echo "$answer" >&3
        /bin/sleep 1000;;
      esac
      echo "$answer" >&3`);
    const first = server.run({ first: 1 });
    await until('the first is under way', inFlight(1));
    const second = server.run({ second: 1 });
    await until('both are under way', inFlight(2));
    writeFileSync(mark, '');
    const answers = await Promise.all([first, second]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers[0].body.toString()).not.toBe(answers[1].body.toString());
  });

  it('may answer what it has read', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-'));
    const closed = join(folder, 'closed');
    const mark = join(folder, 'go');
    await start(`exec <&-; : > ${closed}; until [ -e ${mark} ]; do :; done; echo "\${line%% *} {}" >&3`);
    const running = server.run();
    await until('its stdin is closed', () => existsSync(closed));
    // Answered after the server has heard of the closing.
    expect(await inFlight(1)()).toBe(true);
    writeFileSync(mark, '');
    expect((await running).status).toBe(200);
  });
});
