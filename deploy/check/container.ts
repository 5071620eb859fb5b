import { randomUUID } from 'node:crypto';
import { eventually } from '../../conformance/check.js';
import { freePort } from '../../conformance/target/free-port.js';
import type { ContainerEngine, Outcome } from './engine.js';

const READY_WITHIN_MS = 20_000;
const STOP_SECONDS = 20;

/** How a container is started. */
export interface StartOptions {
  readonly image: string;
  /** Flags of `docker run`. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What tells that it serves. */
  readonly readyPath?: string;
}

/** An answer of the server. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** A container that runs the server, on a free port of this machine. */
export class Container {
  readonly url: string;
  readonly #engine: ContainerEngine;
  readonly #name: string;

  private constructor(engine: ContainerEngine, name: string, url: string) {
    this.#engine = engine;
    this.#name = name;
    this.url = url;
  }

  /** @throws Error with its log where it does not come to serve */
  static async start(engine: ContainerEngine, options: StartOptions): Promise<Container> {
    const { image, flags = [], env = {}, readyPath = '/readyz' } = options;
    const port = await freePort();
    const name = `hyperskeleton-check-${randomUUID()}`;
    const variables = { FLASK_PROXY_PORT: String(port), ...env };
    const given = Object.entries(variables).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
    engine.must('run', '--detach', '--name', name, '--network', 'host', ...flags, ...given, image);
    const container = new Container(engine, name, `http://127.0.0.1:${port}`);
    try {
      await eventually('its readiness', READY_WITHIN_MS, () => container.#isReady(readyPath));
    } catch (error) {
      const { stdout, stderr } = container.logs();
      container.remove();
      throw new Error(`the container does not serve: ${stdout}${stderr}`, { cause: error });
    }
    return container;
  }

  /** @param value what is sent as JSON; text is sent as it is */
  async post(path: string, value: unknown): Promise<Answer> {
    const body = typeof value === 'string' ? value : JSON.stringify(value);
    const headers = { 'Content-Type': 'application/json', Connection: 'close' };
    const answer = await fetch(`${this.url}${path}`, { method: 'POST', headers, body });
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  }

  async get(path: string): Promise<Answer> {
    const answer = await fetch(`${this.url}${path}`, { headers: { Connection: 'close' } });
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  }

  /** The sum of a metric's series whose labels have this text in them; 0 where there is none. */
  async metric(name: string, labels = ''): Promise<number> {
    const { text } = await this.get('/metrics');
    const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(labels));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /** What it has written so far, by stream. */
  logs(): { stdout: string; stderr: string } {
    return this.#engine.run('logs', this.#name);
  }

  exec(...command: readonly string[]): Outcome {
    return this.#engine.run('exec', this.#name, ...command);
  }

  /** Runs the image's own health check. */
  checkHealth(): Outcome {
    const text = this.#engine.must('inspect', '--format', '{{json .Config.Healthcheck.Test}}', this.#name);
    const [, ...command] = JSON.parse(text) as string[];
    return this.exec(...command);
  }

  pause(): void {
    this.#engine.must('pause', this.#name);
  }

  unpause(): void {
    this.#engine.must('unpause', this.#name);
  }

  /** Stops it as a platform does, by SIGTERM. @returns its exit status */
  stop(): number {
    this.#engine.must('stop', '--time', String(STOP_SECONDS), this.#name);
    return Number(this.#engine.must('inspect', '--format', '{{.State.ExitCode}}', this.#name));
  }

  remove(): void {
    this.#engine.run('rm', '--force', this.#name);
  }

  async #isReady(path: string): Promise<boolean> {
    try {
      return (await this.get(path)).status === 200;
    } catch {
      return false;
    }
  }
}
