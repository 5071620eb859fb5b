import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** A thread that samples until it is told to stop: whatever this thread does, it does not hold samples up. */
export class Sampler<Report> {
  readonly #worker: Worker;
  #failure: Error | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('error', (error) => {
      this.#failure = error;
    });
  }

  /** Starts the thread and resolves once it has taken its first sample. */
  static async start<Report>(file: URL, data: unknown): Promise<Sampler<Report>> {
    const worker = new Worker(file, { workerData: data });
    const sampler = new Sampler<Report>(worker);
    await once(worker, 'message');
    return sampler;
  }

  /**
   * Ends the thread and answers its report.
   *
   * @throws what the thread failed with: a sample that could not be taken
   */
  async stop(): Promise<Report> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#worker.postMessage('stop');
    const [report] = (await once(this.#worker, 'message')) as [Report];
    await this.end();
    return report;
  }

  /** Ends the thread, whatever it is doing. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}
