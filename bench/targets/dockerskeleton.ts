import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onEnd } from '../support/cleanup.js';
import { findProgram } from '../support/find-program.js';
import type { Presence, TargetDefinition } from './definition.js';
import { peerFile } from './peer-file.js';

const execute = promisify(execFile);
/** Its place is fixed; each server sees its own folder there. */
const ACTION = '/action';
const MOUNT_AND_RUN = `mount --bind "$1" ${ACTION} && exec "$2" -u "$3"`;
const STUB = '#!/bin/sh\necho \'{"error":"This is a stub action. Replace it with custom logic."}\'\n';

/** The original: Apache OpenWhisk's Python action proxy. */
export const dockerskeleton: TargetDefinition = {
  id: 'dockerskeleton',
  title: 'dockerskeleton',
  description:
    "Apache OpenWhisk's Python action proxy from its source, in a mount namespace with a fresh /action. It is one thread that waits for each activation: it serves one at a time. It writes an answer in two parts, so that on a kept connection the client’s delayed acknowledgement holds each up by 40 ms.",
  protocol: 'classic',
  reference: false,
  peer: true,
  concurrency: 1,
  init: 'post',
  quick: true,
  async find(): Promise<Presence> {
    const source = peerFile('HYPERSKELETON_BENCH_DOCKERSKELETON', 'actionProxy/actionproxy.py');
    if ('reason' in source) return { present: false, reason: source.reason };
    const python = findProgram('python3', ['/usr/bin']);
    if (python === undefined) return { present: false, reason: 'python3 is not installed' };
    if (process.getuid?.() !== 0 || findProgram('unshare') === undefined) {
      return {
        present: false,
        reason: 'needs root and unshare: its action folder is /action, bound for each server',
      };
    }
    try {
      await execute(python, ['-c', 'import flask, gevent']);
    } catch {
      return {
        present: false,
        reason: `${python} has no flask and gevent (Debian: python3-flask python3-gevent)`,
      };
    }
    return {
      present: true,
      command: ['unshare', '-m', `mount --bind {actionRoot} ${ACTION}`, python, '-u', 'actionproxy.py'],
      start({ port, folder, actionRoot }) {
        provideMountPoint();
        // An executable default action is part of its image, and lends its mode to what init writes.
        writeFileSync(join(actionRoot, 'exec'), STUB, { mode: 0o755 });
        return {
          command: ['unshare', '-m', '/bin/sh', '-c', MOUNT_AND_RUN, 'sh', actionRoot, python, source.path],
          env: { PATH: process.env.PATH ?? '', TMPDIR: folder, FLASK_PROXY_PORT: String(port) },
        };
      },
    };
  },
};

function provideMountPoint(): void {
  if (existsSync(ACTION)) return;
  mkdirSync(ACTION);
  onEnd(() => rmdirSync(ACTION));
}
