import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { Connection, requestBytes } from '../../../bench/load/connection.js';
import { type Entry, FILE } from '../../../conformance/support/zip.js';
import { causeIn } from '../../load/token-clients.js';
import { below } from '../../support/random.js';
import { type Fault, needsRoot } from '../fault.js';

/**
 * Room for the action several times: templates and activations of a former init hold the file that was replaced, until
 * they end.
 */
const SIZE_BYTES = 8 * 1024 * 1024;

/** Packed once: that takes the tool's thread half a second, in which no client does anything. */
let ballast: Entry | undefined;

function newBallast(): Entry {
  const data = Buffer.alloc(SIZE_BYTES);
  return { name: 'ballast', data, deflated: deflateRawSync(data), mode: FILE | 0o644 };
}

/**
 * The file system of the action folder becomes full while an init is unpacked: refused, and the former action serves.
 * The archive is larger than the file system, so that nothing that is freed meanwhile makes room for it.
 */
export const fullDisk: Fault = {
  name: 'full-disk',
  // ActionLoop removes the folder of the action before the last one at any moment, which makes room again.
  unavailableReason: ({ protocol }) =>
    needsRoot() ?? (protocol === 'classic' ? undefined : 'it is for the classic protocol'),
  launch: {
    // The mount is in a namespace of the server's own and goes with it.
    launcher: `unshare --mount sh -c 'mount -t tmpfs -o size=${SIZE_BYTES} none action && exec "$@"' sh`,
    env: { PROXY_ALLOW_REINIT: '1' },
  },
  inject: async (session, random) => {
    const { subject } = session;
    const folder = join(`/proc/${subject.pid}/root`, subject.actionRoot);
    const filling = join(folder, 'filling');
    const { bavail, bsize } = statfsSync(folder);
    // How far the init comes is different each time.
    writeFileSync(filling, Buffer.alloc(below(random, bavail * bsize), 'f'));
    const endpoint = { host: '127.0.0.1', port: subject.port, path: '/init' };
    const connection = new Connection(endpoint);
    try {
      ballast ??= newBallast();
      const { body } = session.initRequest([ballast]);
      const { status, head } = await connection.send(requestBytes(endpoint, body));
      const cause = causeIn(head);
      session.tally.answered({ purpose: 'init', status, cause });
      if (cause !== 'init_io_failed')
        session.report('unexpected-failure', `an init without room was answered ${status} ${cause ?? ''}`);
    } finally {
      connection.close();
      rmSync(filling, { force: true });
    }
    await session.initialise();
  },
};
