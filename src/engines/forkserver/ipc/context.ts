import type { FileScope } from '../../../os/file-scope.js';
import type { Reactor } from '../../../os/reactor.js';
import type { ActionUser, Rights } from '../../../os/rights.js';
import type { NofileLimit } from '../../../shared-memory/nofile-limit.js';
import type { ResourceTable } from '../../../shared-memory/resource-table.js';
import { UnsupportedError } from '../../errors.js';
import { type Arch, hostArch } from '../arch/arch.js';
import { Channels } from './channels.js';
import { Reaper } from './reaper.js';
import { RequestBlock } from './request-block.js';
import { StartTimeouts } from './start-timeouts.js';
import type { StatsWriter } from './stats.js';

/** What the parts of the engine share, one of each per thread. */
export interface ForkserverContext {
  readonly arch: Arch;
  readonly reactor: Reactor;
  readonly resourceTable: ResourceTable;
  readonly nofileLimit: NofileLimit | undefined;
  /** Whom the pipes of runs belong to; undefined: the server's user. */
  readonly owner: ActionUser | undefined;
  readonly block: RequestBlock;
  readonly channels: Channels;
  readonly reaper: Reaper;
  readonly startTimeouts: StartTimeouts;
  readonly stats: StatsWriter;
  /** So many runs have one template. */
  readonly maxRuns: number;
  /** A number for a message that no other on its way has. */
  nextId(): number;
}

/** What a thread starts clones with. */
export interface ForkserverContextParts {
  readonly reactor: Reactor;
  readonly resourceTable: ResourceTable;
  /** The limit on open files that actions get; undefined: the server's own. */
  readonly nofileLimit: NofileLimit | undefined;
  readonly stats: StatsWriter;
  /** What actions get that is not the server's own. */
  readonly rights?: Rights | undefined;
  /** Works on the files of the action, and on its processes in /proc; as the server by default. */
  readonly scope?: FileScope;
  /** After so many runs a template is made anew, for another layout of the address space; default 10,000. */
  readonly maxRuns?: number;
  /** How long the start of an action may take at the first attempt, see the template builder; default 1000. */
  readonly maxStartMs?: number;
}

const MAX_RUNS = 10_000;

/**
 * Sets up what the parts of the engine share.
 *
 * @param parent the folder in /proc of the thread whose children templates and clones are
 * @throws UnsupportedError where there is no code for this processor
 */
export function createContext(parts: ForkserverContextParts, parent: string): ForkserverContext {
  const arch = hostArch();
  if (arch === undefined) throw new UnsupportedError(`there is no code for the processor ${process.arch}`);
  const { reactor, resourceTable, nofileLimit, stats, maxRuns = MAX_RUNS } = parts;
  let serial = 0;
  return {
    ...{ arch, reactor, resourceTable, nofileLimit, stats, maxRuns },
    owner: parts.rights?.user,
    block: new RequestBlock(),
    channels: new Channels(),
    reaper: new Reaper(reactor, resourceTable, parent),
    startTimeouts: new StartTimeouts(),
    nextId: () => {
      serial = (serial + 1) >>> 0;
      return serial;
    },
  };
}
