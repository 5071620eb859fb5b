import type { Config } from '../config/load.js';
import { LogStream, SHARED_FIELDS } from '../logs/log-stream.js';
import { leadToOneFile, PlainSink, type Sink } from '../logs/sink.js';
import type { WorkerSettings } from '../pool/messages.js';
import { slotOfMain, type WorkerPool } from '../pool/worker-pool.js';
import { fileScopeOf } from '../process/acting-as.js';
import type { AwakeClock } from '../process/awake-clock.js';
import type { Confinement, Rights } from '../process/rights.js';
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
    engine === 'child_process' ? plain(settings, await confinementFor(rights)) : await native(pool);
  const scope = await fileScopeOf(rights?.user);
  const [out, err] = settings.logs;
  const shared = new Int32Array(settings.shared.logs);
  const oneFile = leadToOneFile(out, err);
  const streamOf = (fd: number, index: 0 | 1): LogStream => {
    const at = oneFile ? 0 : index * SHARED_FIELDS;
    const fields = shared.subarray(at, at + SHARED_FIELDS);
    return new LogStream(sinkFor(fd), fields, slotOfMain(config.threads), index);
  };
  return new LoopRunner({
    pool,
    launch,
    close,
    scope,
    clock,
    logs: { stdout: streamOf(out, 0), stderr: streamOf(err, 1), sentinels: settings.sentinels },
    config: config.actionloop,
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
  readonly sinkFor: (fd: number) => Sink;
  /** Gives back what was set up on this thread. */
  readonly close: () => void;
}

function plain({ logs }: WorkerSettings, confinement: Confinement | undefined): Means {
  return { launch: plainLauncher(logs, confinement), sinkFor: (fd) => new PlainSink(fd), close: () => {} };
}

/** Imported here only: where the library can't be loaded, this thread goes without it. */
async function native(pool: WorkerPool): Promise<Means> {
  const [{ Reactor }, { NativeSink }, { nativeLauncher }] = await Promise.all([
    import('../process/reactor.js'),
    import('../logs/native-sink.js'),
    import('./native-channel.js'),
  ]);
  const reactor = new Reactor();
  return {
    launch: nativeLauncher(pool, reactor),
    sinkFor: (fd) => new NativeSink(fd, reactor),
    close: () => reactor.close(),
  };
}
