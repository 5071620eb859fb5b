import { join } from 'node:path';
import { UNFINISHED_MARKER } from '../../action/actionloop/recover.js';
import { explainFile } from '../../action/diagnose-start.js';
import { type LogStreams, whenWritten, writeSentinels } from '../../activation/activation-log.js';
import type { Config } from '../../config/load.js';
import { NO_OWNER } from '../../logging/action-log/log-stream.js';
import { type FileScope, removeTree } from '../../os/file-scope.js';
import type { InitAnswer } from '../../protocol/answer.js';
import { type Failure, textOfFailure } from '../../protocol/errors.js';
import { MESSAGE_TWICE } from '../../protocol/texts.js';
import type { ActionLoopImage } from '../../threads/messages.js';
import type { WorkerPool } from '../../threads/worker-pool.js';

/** What an init needs. */
export interface ActionLoopInitParts {
  /** Works on the files of the action. */
  readonly scope: FileScope;
  readonly pool: WorkerPool;
  readonly logs: LogStreams;
  readonly config: Config;
  /** OW_LOG_INIT_ERROR: whether the reason of a failed init goes to the logs instead of the answer (C-AL-12). */
  readonly logsInitErrors: boolean;
}

/** Has an action's processes started from an image. @returns why that failed; undefined where it did not */
type StartImage = (image: ActionLoopImage, initLeftMs: number) => Promise<string | undefined>;

/** The inits of an ActionLoop action, however its processes are started (C-AL-02 to C-AL-12). */
export class ActionLoopInit {
  readonly #parts: ActionLoopInitParts;

  constructor(parts: ActionLoopInitParts) {
    this.#parts = parts;
  }

  /**
   * Installs the upload and has its processes started.
   *
   * @param replaced told of the image that nobody needs any more: the new one, where the start failed
   */
  async init(
    body: Uint8Array,
    start: StartImage,
    replaced: (image: ActionLoopImage | undefined, started: boolean) => void,
    isolated = false,
  ): Promise<InitAnswer> {
    const begunMs = performance.now();
    const { pool, config, scope } = this.#parts;
    const { initTimeoutMs } = config;
    const installed = await pool.installActionLoop(body, initTimeoutMs, isolated);
    const { image, stdoutLog, stderrLog, ...reported } = installed;
    if (stdoutLog !== undefined && reported.failure?.code === 'loop_start_failed')
      this.log('stdout', `${stdoutLog}\n`);
    if (stderrLog !== undefined) this.log('stderr', `${stderrLog}\n`);
    if (reported.failure !== undefined || image === undefined) {
      return {
        ...reported,
        failure: await this.#reportFailure(reported.failure ?? { code: 'internal' }),
      };
    }
    const installedMs = performance.now();
    const problem = await start(image, Math.max(0, initTimeoutMs - reported.durationMs));
    const startMs = performance.now() - installedMs;
    if (problem === undefined) {
      await removeTree(join(image.folder, UNFINISHED_MARKER), scope);
      replaced(undefined, true);
      return { ...reported, startMs, durationMs: performance.now() - begunMs };
    }
    this.explain(image);
    replaced(image, false);
    const failure = await this.#reportFailure(
      pool.killedAll ? { code: 'init_shutdown_killed' } : { code: 'loop_start_failed', detail: problem },
    );
    return { ...reported, startMs, failure, durationMs: performance.now() - begunMs };
  }

  /** Answers an init that came too late (C-INIT-20). */
  async refuse(): Promise<InitAnswer> {
    this.log('stderr', `${MESSAGE_TWICE}\n`);
    await whenWritten(this.#parts.logs);
    return { failure: { code: 'init_twice' }, durationMs: 0, codeBytes: 0 };
  }

  async writeSentinels(): Promise<void> {
    const { logs } = this.#parts;
    if (logs.sentinels) await writeSentinels(logs);
  }

  /** Logs why an action does not run, where its file shows that. */
  explain(image: ActionLoopImage | undefined): void {
    const { pool, scope } = this.#parts;
    if (image === undefined || pool.killedAll) return;
    const seen = scope(() => explainFile(image.exec));
    if (seen !== undefined) this.log('stderr', `${seen}\n`);
  }

  log(stream: 'stdout' | 'stderr', text: string): void {
    this.#parts.logs[stream].writeOrDrop(NO_OWNER, Buffer.from(text));
  }

  /** What an init's failure is answered with; where OW_LOG_INIT_ERROR asks for it the reason is only logged. */
  async #reportFailure(failure: Failure): Promise<Failure> {
    const isCallers = failure.code.startsWith('loop_no_code') || failure.code.startsWith('loop_bad_');
    if (isCallers || !this.#parts.logsInitErrors) {
      await whenWritten(this.#parts.logs);
      return failure;
    }
    const isStart = failure.code === 'loop_start_failed';
    this.log('stderr', `${isStart ? failure.detail : textOfFailure(failure)}\n`);
    await this.writeSentinels();
    return { code: isStart ? 'loop_start_logged' : 'loop_init_logged' };
  }
}
