import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Every kind of finding and what it means; docs/internals/robustness.md has the same list. */
export const FINDING_KINDS = {
  swapped: 'an answer carried the token of another request',
  'run-twice': 'one request was run more than once',
  'not-run': 'a request was answered 200 and never run',
  'run-though-incomplete': 'a request that never came whole was run',
  'run-though-refused': 'a request was refused and run all the same',
  smuggled: 'bytes of a body were run as a request of their own',
  'wrong-answer': 'an answer is not the one that the request or the oracle demands',
  'unexpected-failure': 'a request failed with a status or cause that nothing injected explains',
  'malformed-answer': 'the server sent bytes that are no HTTP/1.1 answer with a length',
  'no-length':
    'an answer has neither Content-Length nor chunks: who reads it depends on the end of the connection',
  dropped: 'the server closed the connection of a well-behaved client without an answer',
  'no-answer': 'a well-behaved client waited for its answer in vain',
  silence: 'a whole request, valid or not, got neither an answer nor the end of its connection in time',
  'log-line': 'a log line was lost, doubled, torn or outside of its sentinels',
  sentinels: 'the number of sentinels is not the number of runs that reached the contract',
  metrics: 'a counter or gauge does not fit what was sent and answered',
  leak: 'descriptors, threads, processes, files or memory grow from round to round',
  'files-left': 'staging files were left in the action folder',
  escaped: 'an archive wrote outside of the action folder',
  'action-lost': 'after a refused init the former action did not serve any more',
  'memory-bound': 'one request made the server take more memory than its bound',
  'init-hung': 'an init was not answered in time',
  'slow-health': 'GET /healthz was far slower than the reference server beside it',
  'server-died': 'the server ended by itself',
  'no-recovery': 'after the fault was taken back the server did not serve as before',
  'slow-shutdown': 'after SIGTERM the server ended later than its grace period and a second',
  'bad-exit': 'after SIGTERM the exit status was not 0',
} as const;

export type FindingKind = keyof typeof FINDING_KINDS;

/** One thing that should not have happened. */
export interface Finding {
  readonly kind: FindingKind;
  readonly detail: string;
  /** The seed, protocol, engine and whatever else makes it happen again. */
  readonly circumstances: Readonly<Record<string, unknown>>;
  /** How often it was seen with the same kind and circumstances. */
  count: number;
  /** The file that reproduces it. */
  file?: string;
}

const MAX_FILES_PER_KIND = 20;
const MAX_DETAIL_CHARACTERS = 600;

/** Collects findings, writes a file for each that can be replayed, and knows which kinds are excepted. */
export class Findings {
  readonly list: Finding[] = [];
  readonly #byKey = new Map<string, Finding>();
  readonly #folder: string;
  readonly #except: ReadonlySet<string>;
  readonly #tool: string;

  constructor(tool: string, folder: string, except: ReadonlySet<string>) {
    this.#tool = tool;
    this.#folder = folder;
    this.#except = except;
  }

  /**
   * Adds a finding.
   *
   * @param circumstances printed with it; findings of one kind and equal circumstances are counted as one
   * @param replay what `--replay` needs to send the same again; undefined if there is no such thing
   */
  add(
    kind: FindingKind,
    detail: string,
    circumstances: Readonly<Record<string, unknown>>,
    replay?: unknown,
  ): void {
    const key = `${kind} ${JSON.stringify(circumstances)}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      known.count++;
      return;
    }
    const finding: Finding = {
      kind,
      detail: detail.slice(0, MAX_DETAIL_CHARACTERS),
      circumstances,
      count: 1,
    };
    this.#byKey.set(key, finding);
    this.list.push(finding);
    if (replay !== undefined) this.#write(finding, replay);
    process.stderr.write(`${this.isExcepted(finding) ? 'excepted' : 'FINDING'} ${lineOf(finding)}\n`);
  }

  isExcepted({ kind }: Finding): boolean {
    return this.#except.has(kind);
  }

  /** Those that make the tool fail. */
  get counted(): Finding[] {
    return this.list.filter((one) => !this.isExcepted(one));
  }

  #write(finding: Finding, replay: unknown): void {
    const sameKind = this.list.filter(({ kind, file }) => kind === finding.kind && file !== undefined).length;
    if (sameKind >= MAX_FILES_PER_KIND) return;
    mkdirSync(this.#folder, { recursive: true });
    const name = `${this.#tool}-${finding.kind}-${Date.now().toString(36)}-${this.list.length}.json`;
    finding.file = join(this.#folder, name);
    const content = { tool: this.#tool, kind: finding.kind, detail: finding.detail, replay };
    writeFileSync(finding.file, `${JSON.stringify(content, null, 2)}\n`);
  }
}

/** One line for people. */
export function lineOf({ kind, detail, circumstances, file }: Finding): string {
  const where = Object.entries(circumstances).map(([name, value]) => `${name}=${String(value)}`);
  return `${kind} [${where.join(' ')}] ${detail}${file === undefined ? '' : ` (--replay ${file})`}`;
}
