import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onEnd } from '../../bench/support/cleanup.js';
import { Sampler } from '../../bench/support/sampler.js';
import type { HealthReport, HealthTask } from './health-thread.js';

const STOP_TIMEOUT_MS = 70_000;

/** The reference server; one for all servers of a tool. */
export class Reference {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #end: () => void;

  private constructor(port: number, process: ChildProcess) {
    this.port = port;
    this.#process = process;
    this.#end = onEnd(() => process.kill('SIGKILL'));
  }

  static async start(): Promise<Reference> {
    const path = fileURLToPath(new URL('../support/reference-server.js', import.meta.url));
    const child = spawn(process.execPath, [path], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    return new Reference(Number(line.toString()), child);
  }

  stop(): void {
    this.#process.stdin?.end();
    this.#end();
  }
}

/** Asks a server for its health until it is stopped, in a thread of its own. */
export class HealthWatch {
  readonly #sampler: Sampler<HealthReport>;

  private constructor(sampler: Sampler<HealthReport>) {
    this.#sampler = sampler;
  }

  static async start(task: HealthTask): Promise<HealthWatch> {
    return new HealthWatch(
      await Sampler.start<HealthReport>(new URL('./health-thread.js', import.meta.url), task),
    );
  }

  /** Ends the thread; what it was still waiting for is missing if that takes more than a minute. */
  async stop(): Promise<HealthReport> {
    const empty: HealthReport = { load: [], server: [], reference: [] };
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<HealthReport>((resolve) => {
      timer = setTimeout(() => resolve(empty), STOP_TIMEOUT_MS);
    });
    const report = await Promise.race([this.#sampler.stop(), tooLate]);
    clearTimeout(timer);
    if (report === empty) await this.#sampler.end();
    return report;
  }
}
