import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection, requestBytes } from '../../../bench/load/connection.js';
import { causeIn } from '../../load/token-clients.js';
import { type Fault, needsRoot } from '../fault.js';

/** Room for the action twice, and a little. */
const SIZE = '3m';
const LEFT_BYTES = 200_000;

/** The file system of the action folder is full while an init comes: refused, and the former action serves. */
export const fullDisk: Fault = {
  name: 'full-disk',
  // ActionLoop removes the folder of the action before the last one at any moment, which makes room again.
  obstacle: ({ protocol }) =>
    needsRoot() ?? (protocol === 'classic' ? undefined : 'it is for the classic protocol'),
  launch: {
    // The mount is in a namespace of the server's own and goes with it.
    launcher: `unshare --mount sh -c 'mount -t tmpfs -o size=${SIZE} none action && exec "$@"' sh`,
    env: { PROXY_ALLOW_REINIT: '1' },
  },
  inject: async (session) => {
    const { subject } = session;
    const folder = join(`/proc/${subject.pid}/root`, subject.actionRoot);
    const filling = join(folder, 'filling');
    const { bavail, bsize } = statfsSync(folder);
    writeFileSync(filling, Buffer.alloc(Math.max(0, bavail * bsize - LEFT_BYTES), 'f'));
    const endpoint = { host: '127.0.0.1', port: subject.port, path: '/init' };
    const connection = new Connection(endpoint);
    try {
      const { body } = session.initRequest();
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
