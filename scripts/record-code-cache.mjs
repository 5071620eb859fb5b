// Records what V8 compiles for a start, an init and a run (src/code-cache.ts): the server is run once, with the
// Node that builds it. Where it can't run here there is no recording, and it starts as it did without.
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import AdmZip from 'adm-zip';
import { freePort } from '../dist/conformance/target/free-port.js';

const DISTRIBUTION = 'dist/server';
const CACHE = join(DISTRIBUTION, 'cache');
const FILES = ['main.cache', 'worker.cache'];
const PATIENCE_MS = 20_000;
const POLL_MS = 20;

const folder = mkdtempSync(join(tmpdir(), 'code-cache-'));
rmSync(CACHE, { recursive: true, force: true });
const port = await freePort();
// Of the environment only what finds programs: options for Node would change the recording.
const server = spawn(
  process.execPath,
  ['-r', `./${DISTRIBUTION}/code-cache.js`, `${DISTRIBUTION}/main.js`, 'serve', '--port', String(port)],
  {
    env: {
      PATH: process.env.PATH,
      HYPERSKELETON_ACTION_ROOT: join(folder, 'action'),
      HYPERSKELETON_RECORD_CODE_CACHE: folder,
    },
    stdio: 'ignore',
  },
);
try {
  const zip = new AdmZip();
  zip.addFile('exec', Buffer.from('#!/bin/sh\necho "$1"\n'), '', 0o755);
  await answered('POST', '/run', { value: {} });
  await answered('POST', '/init', { value: { binary: true, code: zip.toBuffer().toString('base64') } });
  for (let count = 0; count < 3; count++) await answered('POST', '/run', { value: { count } });
  await answered('GET', '/metrics');
  writeFileSync(join(folder, 'now'), '');
  await until(() => FILES.every((name) => existsSync(join(folder, name))));
  mkdirSync(CACHE);
  for (const name of FILES) copyFileSync(join(folder, name), join(CACHE, name));
} catch (error) {
  process.stderr.write(`The server could not be recorded, its starts will be slower: ${error.message}\n`);
} finally {
  server.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

/** Sends a request as soon as there is a server to take it. */
async function answered(method, path, body) {
  await until(async () => {
    const init = {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
    };
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, init).catch(() => undefined);
    if (answer !== undefined && answer.status !== 200)
      throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    await answer?.arrayBuffer();
    return answer !== undefined;
  });
}

async function until(holds) {
  for (const deadline = Date.now() + PATIENCE_MS; !(await holds()); await delay(POLL_MS)) {
    if (Date.now() > deadline) throw new Error(`no answer within ${PATIENCE_MS} ms`);
    if (server.exitCode !== null) throw new Error(`it ended with ${server.exitCode}`);
  }
}
