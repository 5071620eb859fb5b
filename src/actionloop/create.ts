import type { Config } from '../config/load.js';
import { plainSinks, type Sink, type SinkTarget } from '../logs/sink.js';
import { ByteBudget } from '../pool/byte-budget.js';
import type { WorkerSettings } from '../pool/messages.js';
import { slotOfMain, type WorkerPool } from '../pool/worker-pool.js';
import { fileScopeOf } from '../process/acting-as.js';
import type { AwakeClock } from '../process/awake-clock.js';
import type { Confinement, Rights } from '../process/rights.js';
import { streamsOf } from '../worker/surroundings.js';
import type { LoopLauncher } from './channel.js';
import { plainLauncher } from './plain-channel.js';
import { LoopRunner } from './runner.js';

/** Sets the ActionLoop protocol up on this thread, with the engine that the worker threads have. */
export async function createLoopRunner(
  config: Config,
  settings: WorkerSettings,
  pool: WorkerPool,
  clock: AwakeClock,
): Promise<LoopRunner> {
  const { engine } = await pool.hello();
  const { rights } = settings;
  const { launch, sinkFor, close } =
    engine === 'child_process'
      ? await plain(settings, await confinementFor(rights))
      : await native(settings, pool);
  const scope = await fileScopeOf(rights?.user);
  const logs = streamsOf(settings, slotOfMain(config.threads), sinkFor);
  return new LoopRunner({
    pool,
    launch,
    close,
    scope,
    clock,
    budget: new ByteBudget(settings.shared.budget),
    logs,
    config: config.actionloop,
    initTimeoutMs: config.initTimeoutMs,
    maxResultBytes: config.maxResultBytes,
    timeoutGraceMs: config.timeoutGraceMs,
    waitForAcknowledgement: (process.env.OW_WAIT_FOR_ACK ?? '') !== '',
    logsInitErrors: (process.env.OW_LOG_INIT_ERROR ?? '') !== '',
  });
}

/** Imported only where anything differs from the server's own rights. */
async function confinementFor(rights: Rights | undefined): Promise<Confinement | undefined> {
  return rights && (await import('../process/helper.js')).confinementOf(rights);
}

interface Means {
  readonly launch: LoopLauncher;
  readonly sinkFor: (target: SinkTarget) => Sink;
  /** Gives back what was set up on this thread. */
  readonly close: () => void;
}

async function plain(settings: WorkerSettings, confinement: Confinement | undefined): Promise<Means> {
  const launch = plainLauncher(settings, confinement);
  return { launch, sinkFor: await plainSinks(settings.sinks), close: () => {} };
}

/** Imported here only: where the library can't be loaded, this thread goes without it. */
async function native(settings: WorkerSettings, pool: WorkerPool): Promise<Means> {
  const [{ Reactor }, { NativeSink }, { nativeLauncher }, { NativeLogs }] = await Promise.all([
    import('../process/reactor.js'),
    import('../logs/native-sink.js'),
    import('./native-channel.js'),
    import('./native-logs.js'),
  ]);
  const reactor = new Reactor();
  const logs = new NativeLogs(settings, reactor);
  return {
    launch: nativeLauncher(pool, reactor, logs),
    sinkFor: (target) => new NativeSink(target, reactor),
    close: () => {
      logs.close();
      reactor.close();
    },
  };
}
