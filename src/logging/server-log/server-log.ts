import { isatty } from 'node:tty';
import type { Logger } from 'pino';
import type { Config } from '../../config/load.js';
import type { AnswerFailure, InitAnswer, RunAnswer } from '../../protocol/answer.js';
import { type ErrorCode, errorRowOf } from '../../protocol/errors.js';
import { LogFile } from './log-file.js';

const STDERR = 2;

/**
 * The server's own log: to a file, or to stderr where that is a terminal, else nowhere (C-SRV-03): a container's
 * streams belong to the action.
 *
 * It never has a parameter, a result or a secret in it: records are made of the runtime's own numbers and words,
 * and of the ids that the caller has sent.
 */
export class ServerLog {
  readonly #logger: Logger | undefined;
  readonly #file: LogFile | undefined;
  /** Whether it goes to a terminal, in lines for a person. */
  readonly #isForPerson: boolean;

  private constructor(logger?: Logger, file?: LogFile, isForPerson = false) {
    this.#logger = logger;
    this.#file = file;
    this.#isForPerson = isForPerson;
  }

  /** @throws Error when the file can't be written */
  static async open({
    logFile,
    logLevel,
    logFormat,
  }: Pick<Config, 'logFile' | 'logLevel' | 'logFormat'>): Promise<ServerLog> {
    const onTerminal = isatty(STDERR);
    if ((logFile === undefined && !onTerminal) || logLevel === 'silent') return new ServerLog();
    const isPretty = logFormat === 'pretty' || (logFormat === 'auto' && logFile === undefined);
    // Imported only where it is used: a container's cold start goes without it.
    const { pino } = await import('pino');
    const options = { level: logLevel, base: null };
    const file = isPretty ? await prettyFile(logFile) : new LogFile(logFile);
    return new ServerLog(pino(options, file), file, isPretty && logFile === undefined);
  }

  /** Records that were lost. */
  get dropped(): number {
    return this.#file?.dropped ?? 0;
  }

  /** Opens the file anew, which log rotation has renamed; where that fails the records go on to the old one. */
  reopen(): void {
    try {
      this.#file?.reopen();
      this.info('log file opened anew', {});
    } catch (error) {
      this.logFault('the log file could not be opened anew', error);
    }
  }

  info(message: string, fields: object): void {
    this.#logger?.info(fields, message);
  }

  warn(message: string, fields: object): void {
    this.#logger?.warn(fields, message);
  }

  /** A fault of the runtime itself. */
  logFault(message: string, error: unknown): void {
    this.#logger?.error({ err: error instanceof Error ? error : new Error(String(error)) }, message);
  }

  /** An activation has been answered. */
  logRun(answer: RunAnswer, traceId: string | undefined, requestId: string | undefined): void {
    if (this.#logger === undefined) return;
    const { failure, stats: fields } = answer;
    if (this.#isForPerson) {
      const { explanation } = failure ?? {};
      const told = explanation === undefined ? {} : { explanation };
      this.#logger[failure === undefined ? 'info' : levelOf(failure.code)](told, runLine(answer));
      return;
    }
    const context = { ...fields, ...idsOf(traceId, requestId) };
    if (failure === undefined) this.#logger.debug(context, 'run');
    else this.#logger[levelOf(failure.code)]({ ...context, ...causeOf(failure) }, 'run failed');
  }

  /** An init has been answered. */
  logInit(
    { failure, warning, durationMs, codeBytes }: InitAnswer,
    traceId: string | undefined,
    requestId: string | undefined,
  ): void {
    if (this.#logger === undefined) return;
    const context = { durationMs, codeBytes, ...idsOf(traceId, requestId) };
    if (failure === undefined && warning !== undefined)
      this.#logger.warn({ ...context, warning: warning.reason, explanation: warning.text }, 'init');
    else if (failure === undefined) this.#logger.info(context, 'init');
    else this.#logger[levelOf(failure.code)]({ ...context, ...causeOf(failure) }, 'init failed');
  }

  /** A request was refused before anything was done for it. */
  logRefusal(code: ErrorCode, requestId: string | undefined): void {
    const context = { ...causeOf({ code }), ...idsOf(undefined, requestId) };
    this.#logger?.[levelOf(code)](context, 'request refused');
  }

  /**
   * The connection of a request has ended before it was answered.
   *
   * @param during what was under way: its body came, it ran, its answer was sent
   */
  logAborted(during: string, fields: object, requestId: string | undefined): void {
    this.#logger?.info({ during, ...fields, ...idsOf(undefined, requestId) }, 'request aborted');
  }
}

async function prettyFile(path: string | undefined): Promise<LogFile> {
  const { prettyLine } = await import('./pretty.js');
  return new LogFile(path, (line) => prettyLine(line, path === undefined));
}

function idsOf(traceId: string | undefined, requestId: string | undefined): object {
  return { ...(traceId !== undefined && { traceId }), ...(requestId !== undefined && { requestId }) };
}

/** An activation for a person: how it ended, how long it took, and how large its result is. */
function runLine({ failure, result, stats: { startMs, runMs, exit } }: RunAnswer): string {
  const words =
    failure === undefined
      ? ['ok']
      : [failure.code, ...(failure.reason === undefined ? [] : [failure.reason])];
  if (failure !== undefined && exit?.status !== undefined) words.push(`exit ${exit.status}`);
  if (failure !== undefined && exit?.signal !== undefined) words.push(`signal ${exit.signal}`);
  if (runMs !== undefined) words.push(`${((startMs ?? 0) + runMs).toFixed(0)} ms`);
  const bytes = result?.byteLength;
  if (bytes !== undefined) words.push(`${bytes} B`);
  return `run ${words.join(' ')}`;
}

/**
 * What failed and whose fault it is. The detail stays out where it is the action's own words, as a compiler's are:
 * they may quote anything.
 */
function causeOf({ code, detail, reason, explanation }: AnswerFailure): object {
  const { fault, text } = errorRowOf(code);
  return {
    code,
    fault,
    ...(detail !== undefined && text !== '%s' && { detail }),
    ...(reason !== undefined && { reason }),
    ...(explanation !== undefined && { explanation }),
  };
}

/** Runtime faults are errors, action faults are warnings, requests without an activation are information. */
function levelOf(code: ErrorCode): 'error' | 'warn' | 'info' {
  const { outcome } = errorRowOf(code);
  if (outcome === undefined) return 'info';
  return outcome === 'internal' ? 'error' : 'warn';
}
