import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, ECHO, startActionLoopServer } from '../../support/actionloop-server.js';
import { RunServer } from '../../support/run-server.js';
import { scrape } from '../../support/scrape.js';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const SCRIPT = '#!/bin/sh\necho "{\\"state\\":\\"$TRACESTATE\\"}"\n';

let server: RunServer;
afterEach(() => server.stop());

async function startsBy(engine: string): Promise<number | undefined> {
  return (await scrape(server.port)).value(`hyperskeleton_activation_starts_total{engine="${engine}"}`);
}

describe('hyperskeleton_activation_starts_total', () => {
  it.each(['forkserver', 'posix_spawn', 'child_process'])('counts what %s starts', async (engine) => {
    server = await RunServer.start({ engine });
    await server.install(SCRIPT);
    for (let count = 0; count < 3; count++) await server.run();
    await server.runBody('no JSON');
    expect(await startsBy(engine)).toBe(3);
  });

  it('counts what an ActionLoop process is given', async () => {
    server = await startActionLoopServer({ engine: 'posix_spawn' });
    await server.post('/init', actionLoopInit(ECHO));
    for (let count = 0; count < 3; count++) await server.run();
    expect([await startsBy('actionloop'), await startsBy('posix_spawn')]).toEqual([3, 0]);
  });

  it('shows that runs with a trace context are cloned as those without are, in whatever turns', async () => {
    server = await RunServer.start({ engine: 'forkserver', flags: ['--threads', '1', '--direct', 'off'] });
    await server.install(SCRIPT);
    const turns: Record<string, string>[] = [{}, { traceparent: TRACEPARENT, tracestate: 'rojo=1' }];
    for (let count = 0; count < 10; count++) {
      const headers = turns[count % 2] as Record<string, string>;
      const { body } = await server.post('/run', '{}', headers);
      expect(JSON.parse(body.toString())).toEqual({ state: headers.tracestate ?? '' });
    }
    expect(await startsBy('forkserver')).toBe(10);
    const page = await scrape(server.port);
    expect(page.value('hyperskeleton_forkserver_templates_total{event="built"}')).toBe(2);
  });
});
