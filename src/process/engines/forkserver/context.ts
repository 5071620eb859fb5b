import type { Ledger } from '../../ledger.js';
import type { LoweredLimit } from '../../open-files.js';
import type { Reactor } from '../../reactor.js';
import type { Arch } from './arch/arch.js';
import type { Channels } from './channels.js';
import type { Patience } from './pending.js';
import type { Reaper } from './reaper.js';
import type { RequestBlock } from './request-codec.js';
import type { Launcher } from './set-up/launch.js';
import type { StatsWriter } from './stats.js';

/** What the parts of the engine share, one of each per worker thread. */
export interface EngineContext {
  readonly arch: Arch;
  readonly reactor: Reactor;
  readonly ledger: Ledger;
  readonly limit: LoweredLimit | undefined;
  readonly launcher: Launcher;
  readonly block: RequestBlock;
  readonly channels: Channels;
  readonly reaper: Reaper;
  readonly patience: Patience;
  readonly stats: StatsWriter;
  /** So many runs have one template. */
  readonly mostRuns: number;
  /** Makes the self-test, unless it was made; answers why it failed, empty when it passed. */
  examine(): string;
  /** A number for a message that no other on its way has. */
  nextId(): number;
}
