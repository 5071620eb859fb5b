import type { FileScope } from '../../acting-as.js';
import type { Ledger } from '../../ledger.js';
import type { LoweredLimit } from '../../open-files.js';
import type { Reactor } from '../../reactor.js';
import type { ActionUser, Rights } from '../../rights.js';
import { type Arch, hostArch } from './arch/arch.js';
import { Channels } from './channels.js';
import { Patience } from './pending.js';
import { Reaper } from './reaper.js';
import { Unsuitable } from './refusal.js';
import { RequestBlock } from './request-codec.js';
import type { StatsWriter } from './stats.js';

/** What the parts of the engine share, one of each per thread. */
export interface EngineContext {
  readonly arch: Arch;
  readonly reactor: Reactor;
  readonly ledger: Ledger;
  readonly limit: LoweredLimit | undefined;
  /** Whom the pipes of runs belong to; undefined: the server's user. */
  readonly owner: ActionUser | undefined;
  readonly block: RequestBlock;
  readonly channels: Channels;
  readonly reaper: Reaper;
  readonly patience: Patience;
  readonly stats: StatsWriter;
  /** So many runs have one template. */
  readonly mostRuns: number;
  /** A number for a message that no other on its way has. */
  nextId(): number;
}

/** What a thread starts clones with. */
export interface ContextParts {
  readonly reactor: Reactor;
  readonly ledger: Ledger;
  /** The limit on open files that actions get; undefined: the server's own. */
  readonly limit: LoweredLimit | undefined;
  readonly stats: StatsWriter;
  /** What actions get that is not the server's own. */
  readonly rights?: Rights | undefined;
  /** Works on the files of the action, and on its processes in /proc; as the server by default. */
  readonly scope?: FileScope;
  /** After so many runs a template is made anew, for another layout of the address space; default 10,000. */
  readonly mostRuns?: number;
  /** How long the start of an action may take at the first attempt, see {@link Workbench}; default 1000. */
  readonly startLimitMs?: number;
}

const MOST_RUNS = 10_000;

/**
 * Sets up what the parts of the engine share.
 *
 * @param parent the folder in /proc of the thread whose children templates and clones are
 * @throws Unsuitable where there is no code for this processor
 */
export function createContext(parts: ContextParts, parent: string): EngineContext {
  const arch = hostArch();
  if (arch === undefined) throw new Unsuitable(`there is no code for the processor ${process.arch}`);
  const { reactor, ledger, limit, stats, mostRuns = MOST_RUNS } = parts;
  let serial = 0;
  return {
    ...{ arch, reactor, ledger, limit, stats, mostRuns },
    owner: parts.rights?.user,
    block: new RequestBlock(),
    channels: new Channels(),
    reaper: new Reaper(reactor, ledger, parent),
    patience: new Patience(),
    nextId: () => {
      serial = (serial + 1) >>> 0;
      return serial;
    },
  };
}
