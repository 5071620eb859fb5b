import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** A thread that samples until it is told to stop: whatever this thread does, it does not hold samples up. */
export class Sampler<Report> {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** Starts the thread and resolves once it has taken its first sample. */
  static async start<Report>(file: URL, data: unknown): Promise<Sampler<Report>> {
    const worker = new Worker(file, { workerData: data });
    await once(worker, 'message');
    return new Sampler(worker);
  }

  /** Ends the thread and answers its report. */
  async stop(): Promise<Report> {
    this.#worker.postMessage('stop');
    const [report] = (await once(this.#worker, 'message')) as [Report];
    await this.#worker.terminate();
    return report;
  }
}
