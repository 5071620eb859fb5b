import type { Context, Protocol } from '../case.js';
import { Skip, Violation } from '../check.js';
import { Server } from './server.js';
import { type StartCommand, StartedServer, type StartOptions } from './started-server.js';
import { installToolbox } from './toolbox.js';

/** What is tested: servers that a command starts, or one that runs already. */
export interface Target {
  readonly protocol: Protocol;
  readonly command?: StartCommand;
  readonly address?: { readonly host: string; readonly port: number };
}

/** Cases that run one after the other, and the server that they share, started when the first asks for it. */
export class SerialCases {
  readonly target: Target;
  #server: Promise<StartedServer> | undefined;
  #attached: Server | undefined;
  #problem: string | undefined;
  #hasAction = false;

  constructor(target: Target) {
    this.target = target;
  }

  /** The shared server; with the suite's action in it where that is asked for. */
  async server(withAction: boolean): Promise<Server> {
    const server =
      this.target.command === undefined ? this.#attach() : await this.#start(this.target.command);
    if (withAction && !this.#hasAction) {
      this.#problem ??= await installToolbox(server);
      if (this.#problem !== undefined) {
        throw this.target.command === undefined ? new Skip(this.#problem) : new Violation(this.#problem);
      }
      this.#hasAction = true;
      if (server instanceof StartedServer) server.takeLogs();
    }
    return server;
  }

  /** Ends the shared server, also one that is still starting; whoever asks next gets another. */
  async end(): Promise<void> {
    const started = this.#server;
    this.#server = undefined;
    if (started === undefined) return;
    this.#hasAction = false;
    this.#problem = undefined;
    // What failed to start has ended already.
    const server = await started.catch(() => undefined);
    await server?.stop();
  }

  #attach(): Server {
    const { host, port } = this.target.address as { host: string; port: number };
    this.#attached ??= new Server(host, port, this.target.protocol);
    return this.#attached;
  }

  #start(command: StartCommand): Promise<StartedServer> {
    this.#server ??= StartedServer.start(command);
    return this.#server;
  }
}

/** What one case works with. */
export class CaseContext implements Context {
  readonly protocol: Protocol;
  readonly scratch: string;
  readonly #series: SerialCases;
  readonly #withAction: boolean;
  readonly #started: StartedServer[] = [];
  #ended = false;

  constructor(series: SerialCases, scratch: string, withAction: boolean) {
    this.#series = series;
    this.scratch = scratch;
    this.#withAction = withAction;
    this.protocol = series.target.protocol;
  }

  async start(options: StartOptions = {}): Promise<StartedServer> {
    const command = this.#series.target.command;
    if (command === undefined) throw new Skip('needs --start');
    const server = await StartedServer.start(command, options);
    this.#started.push(server);
    // The case ran out of time while this server was starting.
    if (this.#ended) await server.stop();
    return server;
  }

  shared(): Promise<Server> {
    return this.#series.server(this.#withAction);
  }

  async sharedStarted(): Promise<StartedServer> {
    const server = await this.shared();
    if (!(server instanceof StartedServer)) throw new Skip('needs --start');
    return server;
  }

  /** Ends the servers that the case started. */
  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#started.map((server) => server.stop()));
  }
}
