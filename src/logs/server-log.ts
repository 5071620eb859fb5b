import { isatty } from 'node:tty';
import type { Logger } from 'pino';
import { traceIdOf } from '../contract/trace-context.js';
import { rowOf } from '../errors/table.js';
import type { InitAnswer, RunAnswer } from '../pool/messages.js';

/**
 * The server's own log: JSON lines to a file, or to stderr where that is a terminal, else nowhere (D-08):
 * a container's streams belong to the action.
 *
 * It never has a parameter, a result or a secret in it.
 */
export class ServerLog {
  readonly #logger: Logger | undefined;

  private constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  /** @throws Error when the file can't be written */
  static async open(file: string | undefined, level: string): Promise<ServerLog> {
    const destination = file ?? (isatty(2) ? 2 : undefined);
    if (destination === undefined || level === 'silent') return new ServerLog(undefined);
    // Imported only where it is used: a container's cold start goes without it.
    const { pino } = await import('pino');
    return new ServerLog(pino({ level, base: null }, pino.destination({ dest: destination, sync: true })));
  }

  info(message: string, facts: object): void {
    this.#logger?.info(facts, message);
  }

  warn(message: string, facts: object): void {
    this.#logger?.warn(facts, message);
  }

  /** A fault of the runtime itself. */
  fault(message: string, error: unknown): void {
    this.#logger?.error({ err: error instanceof Error ? error : new Error(String(error)) }, message);
  }

  /** An activation has been answered. */
  run({ failure, facts }: RunAnswer, traceparent: string | undefined, requestId: string | undefined): void {
    if (this.#logger === undefined) return;
    const trace = traceparent === undefined ? {} : { traceId: traceIdOf(traceparent) };
    const context = { ...facts, ...trace, ...(requestId !== undefined && { requestId }) };
    if (failure === undefined) this.#logger.debug(context, 'run');
    else this.#logger.warn({ ...context, ...failure, fault: rowOf(failure.code).fault }, 'run failed');
  }

  /** An init has been answered. */
  init({ failure, durationMs, codeBytes }: InitAnswer): void {
    if (this.#logger === undefined) return;
    if (failure === undefined) this.#logger.info({ durationMs, codeBytes }, 'init');
    else
      this.#logger.warn(
        { durationMs, codeBytes, ...failure, fault: rowOf(failure.code).fault },
        'init failed',
      );
  }
}
