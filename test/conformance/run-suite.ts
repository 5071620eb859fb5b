import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { RunReport } from '../../conformance/report/result.js';

const MAIN = fileURLToPath(new URL('../../dist/conformance/main.js', import.meta.url));
const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
/** A descriptor that whoever the suite starts inherits. Lower ones Node keeps to itself. */
const INHERITED = 40;

/** What a run of the built suite came to. */
interface SuiteRun {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Undefined where the suite wrote none. */
  readonly report: RunReport | undefined;
  /** What `--markdown` wrote, where the arguments ask for it by `{markdown}`. */
  readonly markdown: string | undefined;
}

/** How the suite is run. */
interface SuiteOptions {
  /** Whether it writes a report; it does by default. */
  readonly writesJson?: boolean;
  /** Whether it has a descriptor that it passes on to the servers. */
  readonly inherits?: boolean;
}

/** Runs the built suite from the project's folder; resolves whatever its exit status is. */
export async function runSuite(args: readonly string[], options: SuiteOptions = {}): Promise<SuiteRun> {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-test-'));
  const [json, markdown] = [join(folder, 'report.json'), join(folder, 'report.md')];
  const own = args.map((arg) => (arg === '{markdown}' ? markdown : arg));
  const all = [MAIN, ...own, ...(options.writesJson === false ? [] : ['--json', json])];
  const further = Array.from({ length: INHERITED - 2 }, (_, at) =>
    at + 3 === INHERITED ? 'pipe' : 'ignore',
  );
  try {
    const child = spawn(process.execPath, all, {
      cwd: PROJECT,
      stdio: ['ignore', 'pipe', 'pipe', ...(options.inherits === true ? further : [])] as [
        'ignore',
        'pipe',
        'pipe',
      ],
    });
    const ended = once(child, 'close');
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const [status] = (await ended) as [number | null];
    const written = read(json);
    const report = written === undefined ? undefined : (JSON.parse(written) as RunReport);
    return { status: status ?? -1, stdout, stderr, report, markdown: read(markdown) };
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
