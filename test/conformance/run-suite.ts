import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunReport } from '../../conformance/report/result.js';

const MAIN = fileURLToPath(new URL('../../dist/conformance/main.js', import.meta.url));
const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** What a run of the built suite came to. */
export interface SuiteRun {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Undefined where the suite wrote none. */
  readonly report: RunReport | undefined;
  /** What `--markdown` wrote, where the arguments ask for it by `{markdown}`. */
  readonly markdown: string | undefined;
}

/** Runs the built suite from the project's folder; resolves whatever its exit status is. */
export async function runSuite(args: readonly string[], writesJson = true): Promise<SuiteRun> {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-test-'));
  const [json, markdown] = [join(folder, 'report.json'), join(folder, 'report.md')];
  const own = args.map((arg) => (arg === '{markdown}' ? markdown : arg));
  const all = [MAIN, ...own, ...(writesJson ? ['--json', json] : [])];
  try {
    const [status, stdout, stderr] = await new Promise<[number, string, string]>((resolve) => {
      execFile(process.execPath, all, { cwd: PROJECT, maxBuffer: 1 << 24 }, (error, out, err) => {
        resolve([typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, out, err]);
      });
    });
    const text = read(json);
    const report = text === undefined ? undefined : (JSON.parse(text) as RunReport);
    return { status, stdout, stderr, report, markdown: read(markdown) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
