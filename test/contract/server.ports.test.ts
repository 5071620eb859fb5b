import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { RunServer, type ServerOptions } from '../support/run-server.js';
import { until } from '../support/waiting.js';

let server: RunServer | undefined;

async function start(options: Omit<ServerOptions, 'engine'> = {}): Promise<RunServer> {
  server = await RunServer.start({ engine: 'posix_spawn', ...options });
  return server;
}

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

// In the launcher $1 is the program, $4 the port that the harness waits for, $6 the action root.
const WITHOUT_PORT = 'exec "$1" serve --action-root "$6"';

describe('the port', () => {
  it.each([
    ['FLASK_PROXY_PORT', `export FLASK_PROXY_PORT="$4"; ${WITHOUT_PORT}`],
    ['PORT', `export PORT="$4"; ${WITHOUT_PORT}`],
    ['FLASK_PROXY_PORT before PORT', `export FLASK_PROXY_PORT="$4" PORT=1; ${WITHOUT_PORT}`],
    ['--port before both', 'export FLASK_PROXY_PORT=1 PORT=1; exec "$@"'],
  ])('C-SRV-01: %s', async (_what, launcher) => {
    const running = await start({ launcher });
    expect((await running.run()).status).toBe(200);
  });

  it('C-PLAT-03: the very first connection that is taken is served', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-port-'));
    const announced = join(folder, 'port');
    try {
      const launcher = 'echo "$4" >"$ANNOUNCED.new"; mv "$ANNOUNCED.new" "$ANNOUNCED"; exec "$@"';
      const starting = start({ env: { ANNOUNCED: announced }, launcher });
      await until('the port is known', () => existsSync(announced));
      const port = Number(readFileSync(announced, 'latin1'));
      let first: Response | undefined;
      await until('a connection is taken', async () => {
        // As the platform does: again only when the connection is refused.
        const attempt = await fetch(`http://127.0.0.1:${port}/run`, { method: 'POST', body: '{}' }).catch(
          (error: { cause?: { code?: string } }) => error,
        );
        if (!(attempt instanceof Response)) expect(attempt.cause?.code).toBe('ECONNREFUSED');
        else first = attempt;
        return first !== undefined;
      });
      expect(first?.status).toBe(200);
      await starting;
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
