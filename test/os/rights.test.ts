import { execFile } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { archiveBody, FILE, textBody, zipOf } from '../support/archives.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { isHere } from '../zoo/build.js';

const BINARY = fileURLToPath(new URL('../../bin/hyperskeleton', import.meta.url));
const [UID, GID] = [12_345, 23_456];
/** Tells who it is and what it may, as JSON. */
const TELLS = `#!/bin/sh
status() { sed -n "s/^$1:[[:space:]]*//p" /proc/$$/status | tr '\\t' ' ' | sed 's/ *$//'; }
echo to >/dev/stdout
printf '{"uid":"%s","gid":"%s","groups":"%s","caps":"%s","nnp":"%s","core":"%s","nproc":"%s","fsize":"%s"}\\n' \\
  "$(status Uid)" "$(status Gid)" "$(status Groups)" "$(status CapPrm)" "$(status NoNewPrivs)" \\
  "$(ulimit -c)" "$(ulimit -u)" "$(ulimit -Hf)"
`;
const RLIMITS = 'core=0,nproc=64:100,fsize=512K:1M';
const TOLD = {
  uid: `${UID} ${UID} ${UID} ${UID}`,
  gid: `${GID} ${GID} ${GID} ${GID}`,
  groups: `${GID}`,
  caps: '0000000000000000',
  nnp: '1',
};
const LIMITED = { core: '0', fsize: '2048' };

/** The folder that a test's server works in is open to its own user only. */
const OPEN = 'chmod 755 "$TMPDIR/.."; exec "$@"';

let server: RunServer | undefined;
let folder: string | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
  if (folder !== undefined) rmSync(folder, { recursive: true });
  folder = undefined;
});

async function ran(running: RunServer, path = '/run'): Promise<Record<string, string>> {
  const answer = await running.post(path, '{"value":{}}');
  expect(answer.status).toBe(200);
  return JSON.parse(answer.body.toString()) as Record<string, string>;
}

const isRoot = process.getuid?.() === 0;
const canDrop = isRoot && (await isHere('setpriv'));

describe.runIf(isRoot).each(ENGINES)('HYPERSKELETON_ACTION_USER (%s)', (engine) => {
  const env = { HYPERSKELETON_ACTION_USER: `${UID}:${GID}`, HYPERSKELETON_ACTION_RLIMITS: RLIMITS };

  it('has each run as that user, without capabilities, in a folder of its own', async () => {
    server = await RunServer.start({ engine, env, launcher: OPEN });
    expect((await server.post('/init', textBody(TELLS))).status).toBe(200);
    for (let round = 0; round < 6; round++) expect(await ran(server)).toMatchObject({ ...TOLD, ...LIMITED });
    for (const path of [server.actionRoot, server.exec])
      expect(statSync(path)).toMatchObject({ uid: UID, gid: GID });
  });

  it('leads no init through the links that an action has planted, and what it unpacks is that user’s', async () => {
    server = await RunServer.start({
      engine,
      env: { ...env, PROXY_ALLOW_REINIT: '1' },
      launcher: OPEN,
    });
    const ours = join(server.folder, 'of-root');
    mkdirSync(ours);
    writeFileSync(join(ours, 'file'), 'kept');
    await server.post('/init', textBody(TELLS));
    await ran(server);
    symlinkSync(ours, join(server.actionRoot, 'data'));
    const zip = zipOf([
      { name: 'exec', data: TELLS, mode: FILE | 0o755 },
      { name: 'sub/inner', data: 'x', mode: FILE | 0o644 },
    ]);
    expect((await server.post('/init', archiveBody(zip))).status).toBe(200);
    for (const name of ['exec', 'sub', 'sub/inner'])
      expect(lstatSync(join(server.actionRoot, name))).toMatchObject({ uid: UID, gid: GID });
    expect(await ran(server)).toMatchObject(TOLD);
  });

  it.runIf(canDrop)('takes four capabilities, and no more', async () => {
    server = await RunServer.start({
      engine,
      env,
      launcher: `chmod 755 "$TMPDIR/.."; exec setpriv --bounding-set=-all,+chown,+kill,+setuid,+setgid "$@"`,
    });
    const zip = zipOf([{ name: 'exec', data: TELLS, mode: FILE | 0o755 }]);
    expect((await server.post('/init', archiveBody(zip))).body.toString()).toBe('OK');
    for (let round = 0; round < 4; round++) expect(await ran(server)).toMatchObject(TOLD);
  });

  it('an action that runs too long is ended, and one that can’t be started says why', async () => {
    server = await RunServer.start({
      engine,
      env: { ...env, HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '300', HYPERSKELETON_TIMEOUT_GRACE_MS: '50' },
      launcher: OPEN,
    });
    await server.post('/init', textBody('#!/bin/sh\ntrap "" TERM\nwhile :; do sleep 1; done\n'));
    expect((await server.run()).status).toBe(504);
    await server.install(TELLS, 0o700);
    const refused = await server.run();
    expect(refused.status).toBe(502);
    expect(server.takeLogs().stdout.toString()).toContain('exec');
  });

  it('C-AL-06: the process of an ActionLoop action, and its compiler', async () => {
    const compiler =
      '#!/bin/sh\n{ echo "#!/bin/sh"; echo "while read -r l; do"; echo "echo {\\\\\\"uid\\\\\\":$(id -u),\\\\\\"of\\\\\\":\\$(id -u)} >&3"; echo done; } >"$3/exec"\n';
    folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-compiler-'));
    writeFileSync(join(folder, 'compile'), compiler, { mode: 0o755 });
    chmodSync(folder, 0o755);
    server = await RunServer.start({
      engine,
      env: { ...env, OW_COMPILER: join(folder, 'compile') },
      flags: ['--protocol', 'actionloop'],
      launcher: OPEN,
    });
    const init = await server.post('/init', textBody('source text'));
    expect(init.body.toString()).toBe('{"ok":true}\n');
    expect(await ran(server)).toEqual({ uid: UID, of: UID });
    expect(statSync(join(server.actionRoot, '1/bin/exec'))).toMatchObject({ uid: UID, gid: GID });
  });

  it('C-KN-01: in Knative mode', async () => {
    server = await RunServer.start({
      engine,
      env: { ...env, __OW_RUNTIME_PLATFORM: 'knative' },
      launcher: OPEN,
      readiness: '/_hyperskeleton/readyz',
    });
    await server.install(TELLS);
    const answer = await server.post(
      '/',
      JSON.stringify({ init: { code: TELLS }, activation: {}, value: {} }),
    );
    expect(answer.body.toString()).toContain(`"uid":"${UID} ${UID} ${UID} ${UID}"`);
  });
});

describe.each(ENGINES)('rights without another user (%s)', (engine) => {
  it('HYPERSKELETON_NO_NEW_PRIVS and HYPERSKELETON_ACTION_RLIMITS hold for each run', async () => {
    const env = { HYPERSKELETON_NO_NEW_PRIVS: 'on', HYPERSKELETON_ACTION_RLIMITS: RLIMITS };
    server = await RunServer.start({ engine, env });
    await server.install(TELLS);
    for (let round = 0; round < 4; round++) expect(await ran(server)).toMatchObject({ nnp: '1', ...LIMITED });
  });

  it('are the server’s own by default', async () => {
    server = await RunServer.start({ engine });
    await server.install(TELLS);
    expect(await ran(server)).toMatchObject({
      nnp: '0',
      uid: expect.stringContaining(String(process.getuid?.())),
    });
  });
});

describe('rights that can’t be had', () => {
  function started(env: Record<string, string>, before: readonly string[] = []): Promise<string> {
    const command = [...before, BINARY, 'serve', '--port', '0'];
    return new Promise((resolve) => {
      execFile(
        command[0] as string,
        command.slice(1),
        { env: { PATH: process.env.PATH, ...env }, timeout: 15_000 },
        (_error, _out, stderr) => {
          resolve(stderr);
        },
      );
    });
  }

  it.each([
    [
      { HYPERSKELETON_ACTION_RLIMITS: 'core=1:0' },
      'HYPERSKELETON_ACTION_RLIMITS="core=1:0": must be a list as',
    ],
    [{ HYPERSKELETON_ACTION_RLIMITS: 'cores=0' }, 'must be a list as'],
    [{ HYPERSKELETON_ACTION_USER: 'nobody-of-that-name' }, '/etc/passwd has no user nobody-of-that-name'],
    [{ HYPERSKELETON_ACTION_USER: '0' }, 'it must be another user than root'],
    [{ HYPERSKELETON_ACTION_USER: '4000000' }, 'give a group, too'],
  ])('%j: the server does not start, and says why', async (env, text) => {
    expect(await started(env)).toContain(
      isRoot || !('HYPERSKELETON_ACTION_USER' in env) ? text : 'must be root',
    );
  });

  it.runIf(canDrop)('an ordinary user can’t be another one', async () => {
    const ordinary = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all'];
    expect(await started({ HYPERSKELETON_ACTION_USER: '12345:12345' }, ordinary)).toContain(
      'the server must be root',
    );
    const raised = await started({ HYPERSKELETON_ACTION_RLIMITS: 'nofile=4000000' }, ordinary);
    expect(raised).toContain('no process can be started with the rights that are set for actions: EPERM');
  });
});
