import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { send } from '../../bench/support/http.js';
import type { Protocol } from '../../conformance/case.js';
import type { Entry } from '../../conformance/support/zip.js';
import type { FindingKind, Findings } from '../findings.js';
import { PLAIN, runBody } from '../load/request.js';
import { type Probes, probeInit } from '../support/probe.js';
import { RunMarks, Subject, type SubjectOptions } from '../support/subject.js';
import { type ExcludedPeriod, nowMs, slowSamples } from './health.js';
import { HealthWatch, type Reference } from './health-watch.js';
import { LogStream } from './log-stream.js';
import { contradictions, type Series, scrape } from './metrics.js';
import { type Resources, resourcesAtRest } from './resources.js';
import { Tally, within } from './tally.js';
import { TokenLedger } from './token-ledger.js';

/** What all servers of a tool have in common. */
export interface Setting {
  readonly findings: Findings;
  readonly probes: Probes;
  readonly reference: Reference;
  readonly seed: number;
}

const SETTLE_TIMEOUT_MS = 20_000;
const SETTLE_QUIET_MS = 4000;
const QUIET_MS = 300;
const POLL_MS = 10;
const EXIT_MARGIN_MS = 1000;
const MAX_ORIGINS = 500;
const KILL_AFTER_MS = 30_000;

/** The case that a token was made for, and what sends it again. */
interface Origin {
  readonly name: string;
  readonly replay: unknown;
}

/** A server with all that watches it: the invariant checker of the tools. */
export class Session {
  readonly subject: Subject;
  readonly tally: Tally;
  readonly ledger: TokenLedger;
  readonly stdout: LogStream;
  readonly stderr: LogStream;
  readonly samples: Resources[] = [];
  readonly circumstances: Readonly<Record<string, unknown>>;
  /** Causes of failures that a fault explains, and whether it may cost connections. */
  readonly explained = new Set<string>();
  mayDrop = false;
  /** Whether sentinels and counters can't be expected to be exact: log readers or workers were taken away. */
  isInexact = false;
  readonly #setting: Setting;
  readonly #origins = new Map<string, Origin>();
  readonly #marks: RunMarks;
  readonly #excuses: ExcludedPeriod[] = [];
  #health: HealthWatch | undefined;
  #isEnding = false;

  private constructor(
    subject: Subject,
    setting: Setting,
    circumstances: Readonly<Record<string, unknown>>,
    streams: Streams,
  ) {
    this.subject = subject;
    this.circumstances = circumstances;
    this.tally = new Tally(subject.protocol);
    this.#setting = setting;
    this.ledger = new TokenLedger((kind, detail, token) => {
      const origin = this.#origins.get(token);
      const where = origin === undefined ? circumstances : { ...circumstances, case: origin.name };
      setting.findings.add(kind, detail, where, origin?.replay);
    });
    this.#marks = new RunMarks(join(subject.folder, 'runs'));
    this.stdout = streams.stdout;
    this.stderr = streams.stderr;
    streams.owner = this;
  }

  /** Starts a server and waits until it serves. */
  static async start(
    setting: Setting,
    options: SubjectOptions,
    circumstances: Readonly<Record<string, unknown>> = {},
  ): Promise<Session> {
    const streams = new Streams();
    const subject = await Subject.launch(
      { ...options, before: `export __OW_RUNS_FILE="$PWD/runs" && ${options.before ?? ':'}` },
      (folder) => streams.open(folder),
    );
    const { protocol, engine, http } = options;
    const all = { protocol, engine, ...(http !== undefined && { http }), ...circumstances };
    const session = new Session(subject, setting, all, streams);
    try {
      await subject.ready();
      const page = options.protocol === 'knative' ? '/_hyperskeleton/healthz' : '/healthz';
      const task = { port: subject.port, page, referencePort: setting.reference.port };
      session.#health = await HealthWatch.start(task);
    } catch (error) {
      const said = [...streams.stderr.others, ...streams.stdout.others].slice(0, 3).join(' | ');
      await session.destroy();
      throw new Error(`${error instanceof Error ? error.message : error} ${said}`);
    }
    return session;
  }

  get protocol(): Protocol {
    return this.subject.protocol;
  }

  report(kind: FindingKind, detail: string, replay?: unknown): void {
    this.#setting.findings.add(kind, detail, this.circumstances, replay);
  }

  /** The request that initialises the server with the tools' action, and further files beside it. */
  initRequest(further: readonly Entry[] = []): { path: string; body: string } {
    return probeInit(this.protocol, this.#setting.probes, further);
  }

  /** Initialises the server with the tools' action; throws if it refuses. */
  async initialise(): Promise<void> {
    const { path, body } = this.initRequest();
    const answer = await send(this.subject.port, 'POST', path, body);
    this.tally.answered({ purpose: 'init', status: answer.status, cause: undefined });
    if (answer.status !== 200) throw new Error(`the init failed: ${answer.status} ${answer.body}`);
  }

  /** Notes which case a token belongs to, for as long as a finding about it is likely. */
  remember(token: string, origin: Origin): void {
    this.#origins.set(token, origin);
    if (this.#origins.size <= MAX_ORIGINS) return;
    const [oldest] = this.#origins.keys();
    if (oldest !== undefined) this.#origins.delete(oldest);
  }

  /** Excuses slow health checks during a time in which the tool itself held the server up. */
  excuse(fromMs: number, toMs = nowMs()): void {
    this.#excuses.push({ fromMs, toMs });
  }

  /** Takes the run marks that are new. To be called now and then, as the file grows. */
  takeMarks(): void {
    for (const token of this.#marks.take()) this.ledger.ran(token);
  }

  /** Runs so many activations one at a time; the log of each must be its own lines between sentinels (C-LOG-02). */
  async runAlone(times: number): Promise<void> {
    for (let count = 0; count < times && !this.subject.hasEnded; count++) {
      const token = this.ledger.issue();
      const answer = await send(this.subject.port, 'POST', this.subject.path, runBody(token, PLAIN)).catch(
        () => undefined,
      );
      if (answer === undefined) {
        this.ledger.closed(token);
        this.tally.unanswered('run');
        continue;
      }
      this.answered(token, answer.status, undefined, answer.body);
      if (answer.status !== 200 || this.ledger.logsIncomplete) continue;
      await this.#until(() => [this.stdout, this.stderr].every((stream) => stream.segmentOf(token)));
      for (const [name, stream] of [
        ['stdout', this.stdout],
        ['stderr', this.stderr],
      ] as const) {
        const got = stream.segmentOf(token)?.join(' ');
        if (got !== token)
          this.report(
            'log-line',
            `${token} was alone, ${name} had with it between two sentinels: ${got ?? 'nothing'}`,
          );
      }
    }
  }

  /** Counts and judges an answer to the run of a token. */
  answered(token: string, status: number, cause: string | undefined, body: Buffer): void {
    this.tally.answered({ purpose: 'run', status, cause });
    if (status === 200) this.ledger.succeeded(token, tokenIn(body));
    else this.ledger.failed(token, cause);
  }

  /**
   * Waits until nothing comes any more, and holds tokens, logs, sentinels, metrics and processes to account.
   * All clients must have stopped.
   */
  async settle(): Promise<void> {
    if (this.subject.hasEnded) {
      if (!this.#isEnding) this.#died();
    } else {
      await this.#until(() => {
        this.takeMarks();
        return this.ledger.isSettled && this.#countsFit();
      });
      await this.#quiet();
    }
    this.takeMarks();
    this.ledger.settle();
    if (!this.isInexact) this.#judgeSentinels();
    if (!this.subject.hasEnded) await this.#judgeMetrics();
  }

  /** Notes what the server holds now, at rest. */
  async sample(): Promise<void> {
    const { pid, actionRoot, temporary } = this.subject;
    if (!this.subject.hasEnded) this.samples.push(await resourcesAtRest(pid, [actionRoot, temporary]));
  }

  /**
   * Ends the server by SIGTERM and judges how it ends: exit status 0, within the grace period and a second.
   *
   * @param graceMs its HYPERSKELETON_GRACE_MS if activations are under way, else 0
   */
  async terminate(graceMs = 0): Promise<void> {
    await this.#stopHealth();
    if (this.subject.hasEnded) return;
    this.#isEnding = true;
    const beganMs = nowMs();
    const { pid } = this.subject;
    try {
      process.kill(pid, 'SIGTERM');
    } catch {
      // It has ended a moment ago; its exit status tells the rest.
    }
    let worstDelayMs = 0;
    for (let beforeMs = nowMs(); !this.subject.hasEnded; beforeMs = nowMs()) {
      if (nowMs() - beganMs > graceMs + KILL_AFTER_MS) break;
      await delay(POLL_MS);
      worstDelayMs = Math.max(worstDelayMs, nowMs() - beforeMs - POLL_MS);
    }
    const tookMs = nowMs() - beganMs;
    // The machine's own delay, measured meanwhile, is not the server's.
    if (tookMs > graceMs + EXIT_MARGIN_MS + 5 * worstDelayMs) {
      this.report(
        'slow-shutdown',
        `${Math.round(tookMs)} ms after SIGTERM, the grace period was ${graceMs} ms`,
      );
    }
    const status = this.subject.server.exitCode;
    if (status !== undefined && status !== 0) this.report('bad-exit', `exit status ${status} after SIGTERM`);
  }

  /** Kills the server if it has not ended yet: what is still open then ends too. */
  async killRest(): Promise<void> {
    this.#isEnding = true;
    this.subject.server.endAll();
    while (!this.subject.hasEnded) await delay(POLL_MS);
  }

  /** Ends everything and removes the folder. */
  async destroy(): Promise<void> {
    this.#isEnding = true;
    await this.#stopHealth();
    this.stdout.close();
    this.stderr.close();
    await this.subject.server.stop();
  }

  /** The series of the server's metrics. */
  scrape(): Promise<Series> {
    return scrape(this.subject.metricsPort);
  }

  /** A line that is neither the action's nor a sentinel was split or glued. */
  torn(stream: string, line: string): void {
    if (!this.ledger.logsIncomplete)
      this.report('log-line', `a torn line on ${stream}: ${line.slice(0, 200)}`);
  }

  async #stopHealth(): Promise<void> {
    const report = await this.#health?.stop();
    this.#health = undefined;
    for (const [, tookMs] of report === undefined ? [] : slowSamples(report, this.#excuses)) {
      this.report('slow-health', `GET /healthz took ${Math.round(tookMs)} ms`);
    }
  }

  #countsFit(): boolean {
    const { sentinels } = this.tally;
    return within(this.stdout.sentinels, sentinels) && within(this.stderr.sentinels, sentinels);
  }

  #judgeSentinels(): void {
    const range = this.tally.sentinels;
    for (const [name, { sentinels }] of [
      ['stdout', this.stdout],
      ['stderr', this.stderr],
    ] as const) {
      if (!within(sentinels, range))
        this.report('sentinels', `${name} has ${sentinels}, expected ${range.min} to ${range.max}`);
    }
  }

  async #judgeMetrics(): Promise<void> {
    const asError = (error: Error): Error => error;
    let page = await this.scrape().catch(asError);
    if (page instanceof Error) {
      // What the fault left of descriptors may be freed a moment later.
      await delay(EXIT_MARGIN_MS);
      page = await this.scrape().catch(asError);
    }
    if (page instanceof Error) {
      if (this.subject.hasEnded) this.#died();
      else this.report('metrics', `GET /metrics failed: ${page.message}`);
      return;
    }
    if (this.isInexact) return;
    // A client that was cut off may be counted a moment later.
    let found = contradictions(page, this.tally, this.protocol);
    const deadline = Date.now() + SETTLE_TIMEOUT_MS / 4;
    while (found.length > 0 && Date.now() < deadline) {
      await delay(QUIET_MS);
      found = contradictions(await this.scrape().catch(() => new Map()), this.tally, this.protocol);
    }
    for (const contradiction of found) this.report('metrics', contradiction);
  }

  async #quiet(): Promise<void> {
    for (let before = -1; ; ) {
      const now = this.stdout.sentinels + this.stderr.sentinels;
      if (now === before) return;
      before = now;
      await delay(QUIET_MS);
      this.takeMarks();
    }
  }

  #died(): void {
    this.#isEnding = true;
    const said = this.stderr.others.slice(0, 12).join(' | ');
    this.report('server-died', `exit status ${this.subject.server.exitCode}; its last words: ${said}`);
  }

  /** Resolves once it holds, or once nothing has come for so long that nothing will. */
  async #until(holds: () => boolean): Promise<void> {
    const progress = (): number => this.stdout.receivedBytes + this.stderr.receivedBytes;
    const endMs = nowMs() + SETTLE_TIMEOUT_MS;
    let before = progress();
    let quietFromMs = nowMs();
    while (!holds() && nowMs() < endMs && !this.subject.hasEnded) {
      await delay(POLL_MS);
      const now = progress();
      if (now !== before) quietFromMs = nowMs();
      else if (nowMs() - quietFromMs > SETTLE_QUIET_MS) return;
      before = now;
    }
  }
}

/** Reads the FIFOs from before the server starts; they tell the session, once there is one. */
class Streams {
  stdout!: LogStream;
  stderr!: LogStream;
  owner: Session | undefined;

  open(folder: string): void {
    const events = (stream: 'stdout' | 'stderr') => ({
      line: (token: string) => this.owner?.ledger.logged(stream, token),
      torn: (line: string) => this.owner?.torn(stream, line),
    });
    this.stdout = new LogStream(join(folder, 'out'), events('stdout'));
    this.stderr = new LogStream(join(folder, 'err'), events('stderr'));
  }
}

/** The token in a result of the tools' action. */
export function tokenIn(body: Buffer): string | undefined {
  return /"token":"([^"]*)"/.exec(body.toString('latin1'))?.[1];
}
