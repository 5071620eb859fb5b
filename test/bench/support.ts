import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BenchReport, reportSchema } from '../../bench/report/schema.js';

const PROJECT = new URL('../../', import.meta.url);

/** A module of the built harness: what starts threads finds them there only. */
export function built<T>(path: string): Promise<T> {
  return import(new URL(`dist/bench/${path}`, PROJECT).href) as Promise<T>;
}

/** A file of test/fixtures/bench. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`test/fixtures/bench/${name}`, PROJECT));
}

/** What a `hyperskeleton bench` said and wrote. */
interface BenchEnd {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The report, checked against the schema; undefined when none was written. */
  readonly report: BenchReport | undefined;
  /** Processes of the run that are still there. */
  readonly leftovers: string[];
}

/** A running `hyperskeleton bench`, with a TMPDIR of its own. */
export class BenchRun {
  readonly process: ChildProcess;
  readonly #folder = mkdtempSync(join(tmpdir(), 'bench-test-'));
  #stdout = '';
  #stderr = '';

  constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    binary = new URL('bin/hyperskeleton', PROJECT),
  ) {
    const out =
      args.includes('--help') || args.includes('--list') ? [] : ['--report', 'json', '--out', this.out];
    this.process = spawn(fileURLToPath(binary), ['bench', ...args, ...out], {
      env: { PATH: process.env.PATH ?? '', HOME: this.#folder, TMPDIR: this.#folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
      killSignal: 'SIGKILL',
    });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
  }

  get out(): string {
    return join(this.#folder, 'out');
  }

  /** Resolves when stderr has the text. */
  async said(text: string): Promise<void> {
    while (!this.#stderr.includes(text)) {
      if (this.process.exitCode !== null) throw new Error(`it ended without "${text}":\n${this.#stderr}`);
      await Promise.race([
        once(this.process, 'close'),
        once(this.process.stderr as NodeJS.EventEmitter, 'data'),
      ]);
    }
  }

  async end(): Promise<BenchEnd> {
    if (this.process.exitCode === null) await once(this.process, 'close');
    const leftovers = processesWith(this.#folder);
    const report = this.#readReport();
    rmSync(this.#folder, { recursive: true, force: true });
    return { status: this.process.exitCode, stdout: this.#stdout, stderr: this.#stderr, report, leftovers };
  }

  #readReport(): BenchReport | undefined {
    const name = attempt(() => readdirSync(this.out).find((file) => file.endsWith('.json')), undefined);
    return name === undefined
      ? undefined
      : reportSchema.parse(JSON.parse(readFileSync(join(this.out, name), 'utf8')));
  }
}

/** Runs `hyperskeleton bench` to its end. */
export function runBench(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<BenchEnd> {
  return new BenchRun(args, env).end();
}

/** The command lines of all processes that name the folder. */
function processesWith(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1'), ''))
    .filter((line) => line.includes(folder))
    .map((line) => line.replaceAll('\0', ' '));
}

function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
