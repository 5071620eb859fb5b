import { afterEach, describe, expect, it } from 'vitest';
import { archiveBody, FILE, FOLDER, LINK, script, textBody, zipOf } from '../support/archives.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { treeOf } from '../support/trees.js';
import { Gate } from '../support/waiting.js';

const SHOW = (names: string): string =>
  `#!/bin/sh\nfor name in ${names}; do eval "printf '%s=[%s]\\n' $name \\"\\$$name\\"" >&2; done\necho "{}"\n`;
const REINIT = { PROXY_ALLOW_REINIT: '1' };

let server: RunServer | undefined;

async function startWith(engine: string, env: Record<string, string> = {}): Promise<RunServer> {
  server = await RunServer.start({ engine, env });
  return server;
}

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

describe.each(ENGINES)('env of an init (%s)', (engine) => {
  const start = (env: Record<string, string> = {}): Promise<RunServer> => startWith(engine, env);

  it('C-INIT-18: strings as they are, null empty, all else as its JSON text; exported to every run', async () => {
    const running = await start();
    const env =
      '{"S":"a b\\n$c","E":"","N":null,"I":12345678901234567890,"F":1.50,"B":true,"A":[1, {"x":2}],"O":{"k": 1e400}}';
    const body = `{"value":{"code":${JSON.stringify(SHOW('S E N I F B A O'))},"env":${env}}}`;
    expect((await running.post('/init', body)).status).toBe(200);
    for (let count = 0; count < 3; count++) {
      await running.run();
      expect(running.takeRunLogs().stderr).toBe(
        'S=[a b\n$c]\nE=[]\nN=[]\nI=[12345678901234567890]\nF=[1.50]\nB=[true]\nA=[[1, {"x":2}]]\nO=[{"k": 1e400}]\n',
      );
    }
  });

  it('C-INIT-18: it wins over the server’s environment, the run’s __OW_* win over it', async () => {
    const running = await start({ COLOUR: 'server', __OW_X: 'server', ONLY: 'server' });
    const env = { COLOUR: 'init', __OW_X: 'init', __OW_Y: 'init' };
    await running.post('/init', textBody(SHOW('COLOUR __OW_X __OW_Y ONLY'), { env }));
    await running.run({}, { x: 'run' });
    expect(running.takeRunLogs().stderr).toBe('COLOUR=[init]\n__OW_X=[run]\n__OW_Y=[init]\nONLY=[server]\n');
    // C-RUN-12: nothing of that run is left.
    await running.run();
    expect(running.takeRunLogs().stderr).toContain('__OW_X=[init]\n');
  });

  it('C-INIT-18: a further init brings its own variables and no older ones', async () => {
    const running = await start(REINIT);
    await running.post('/init', textBody(SHOW('P Q'), { env: { P: '1', Q: '1' } }));
    await running.run();
    running.takeLogs();
    await running.post('/init', textBody(SHOW('P Q'), { env: { P: '2' } }));
    await running.run();
    expect(running.takeRunLogs().stderr).toBe('P=[2]\nQ=[]\n');
  });
});

describe.each(ENGINES)('a further init (%s)', (engine) => {
  const start = (env: Record<string, string> = {}): Promise<RunServer> => startWith(engine, env);

  it('C-INIT-20: `true` does not allow it', async () => {
    const running = await start({ PROXY_ALLOW_REINIT: 'true' });
    expect((await running.post('/init', textBody('#!/bin/sh\necho "{}"'))).status).toBe(200);
    expect((await running.post('/init', textBody('#!/bin/sh\necho "{}"'))).status).toBe(403);
  });

  it('C-INIT-22: its code serves the very next run', async () => {
    const running = await start(REINIT);
    for (let version = 1; version <= 30; version++) {
      const zip = zipOf([script('exec', `echo '{"version":${version}}'`)]);
      expect((await running.post('/init', archiveBody(zip))).status).toBe(200);
      expect((await running.run()).body.toString()).toBe(`{"version":${version}}`);
    }
  });

  it('C-INIT-23: a failed one leaves every byte as it was, in the middle of replacing too', async () => {
    const running = await start(REINIT);
    const first = zipOf([
      script('exec', 'cat lib/data'),
      { name: 'lib/data', data: '{"first":1}' },
      { name: 'lib/link', data: 'data', mode: LINK | 0o777 },
      { name: 'zone', data: 'a file' },
    ]);
    expect((await running.post('/init', archiveBody(first))).status).toBe(200);
    const before = treeOf(running.actionRoot);
    // exec is moved last: it is a link to nothing, so the init fails after all else has been replaced.
    const second = zipOf([
      { name: 'lib/data', data: '{"second":1}' },
      { name: 'lib/link', data: 'replaced' },
      { name: 'lib/new/deep', data: 'x' },
      { name: 'zone/', mode: FOLDER | 0o755 },
      { name: 'zone/inner', data: 'x', mode: FILE | 0o644 },
      { name: 'exec', data: 'nowhere', mode: LINK | 0o777 },
    ]);
    const answer = await running.post('/init', archiveBody(second));
    expect(answer.status, answer.body.toString()).toBe(502);
    expect(treeOf(running.actionRoot)).toEqual(before);
    expect((await running.run()).body.toString()).toBe('{"first":1}');
  });

  it('C-INIT-23: runs meanwhile never fail, and get one version or the other', async () => {
    const running = await start(REINIT);
    const version = (number: number): string =>
      archiveBody(
        zipOf([
          script('exec', 'exec bin/real'),
          script('bin/real', `echo '{"version":${number}}'`),
          { name: 'data', data: Buffer.alloc(300_000, number) },
        ]),
      );
    await running.post('/init', version(0));
    let done = false;
    const runs = Array.from({ length: 4 }, async () => {
      const bodies: string[] = [];
      while (!done) {
        const answer = await running.run();
        bodies.push(`${answer.status} ${answer.body.toString()}`);
      }
      return bodies;
    });
    for (let number = 1; number <= 40; number++) {
      expect((await running.post('/init', version(number))).status).toBe(200);
    }
    done = true;
    const seen = (await Promise.all(runs)).flat();
    expect(seen.length).toBeGreaterThan(10);
    for (const answer of seen) expect(answer).toMatch(/^200 \{"version":\d+\}$/);
  });

  it('C-INIT-20: a run under way goes on with the files it has, a first init is waited for', async () => {
    const running = await start(REINIT);
    const gate = new Gate(running.folder);
    await running.post('/init', textBody(`#!/bin/sh\n${gate.wait}\necho '{"old":1}'\n`));
    const old = running.run();
    await gate.arrivals(1);
    expect((await running.post('/init', textBody('#!/bin/sh\necho \'{"new":1}\''))).status).toBe(200);
    expect((await running.run()).body.toString()).toBe('{"new":1}');
    gate.open();
    expect((await old).body.toString()).toBe('{"old":1}');
  });

  it('C-INIT-20: a run that comes during the first init waits for it', async () => {
    const running = await start();
    const entries = [
      script('exec', 'echo \'{"unpacked":1}\''),
      { name: 'big', data: Buffer.alloc(20_000_000, 'text'), stored: true },
    ];
    const init = running.post('/init', archiveBody(zipOf(entries)));
    // Sent behind the init on another connection: it may arrive first only while the init is still uploading.
    const run = running.run().then((answer) => answer.body.toString());
    expect((await init).status).toBe(200);
    expect(['{"unpacked":1}', '{"error":"This is a stub action. Replace it with custom logic."}']).toContain(
      await run,
    );
    expect((await running.run()).body.toString()).toBe('{"unpacked":1}');
  });

  it('leaves nothing of its own in the action folder', async () => {
    const running = await start(REINIT);
    await running.post(
      '/init',
      archiveBody(zipOf([script('exec', 'echo "{}"'), { name: 'a/b', data: 'x' }])),
    );
    await running.post(
      '/init',
      archiveBody(zipOf([script('exec', 'echo "{}"'), { name: 'a/b', data: 'y' }])),
    );
    await running.post('/init', archiveBody(Buffer.from('no zip')));
    expect(Object.keys(treeOf(running.actionRoot))).toEqual(['a', 'a/b', 'exec']);
  });
});
