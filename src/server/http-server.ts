import { type Request, type Response, Server } from 'hyper-express';
import { sendAllow, sendFailure, sendText } from './answer.js';
import { handleInit } from './init-route.js';
import { requestIdOf } from './receive.js';
import { handleRun } from './run-route.js';
import type { Service } from './service.js';

/** Bodies are limited by the routes, with answers of the contract's form. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;
const HOST = '0.0.0.0';

/**
 * Once its stream is full the framework pauses it and nothing resumes it; a body is taken as it comes. The
 * framework reads this option of a route, its types do not name it.
 */
const ROUTE_OPTIONS = { streaming: { readable: { highWaterMark: NO_LIMIT } } } as object;

type Handler = (request: Request, response: Response) => Promise<void> | void;

/** The HTTP front end (sections 1 and 4): routes, methods, unknown paths. It never looks into a body. */
export class HttpServer {
  readonly #service: Service;
  readonly #server: Server;
  /** The one of the metrics' own port. */
  #adminServer: Server | undefined;

  constructor(service: Service) {
    this.#service = service;
    this.#server = this.#create();
    const { knative, metrics, metricsPort } = service.config;
    if (knative) {
      this.#route(this.#server, '/_hyperskeleton/healthz', 'get', this.#health);
      this.#route(this.#server, '/_hyperskeleton/readyz', 'get', this.#readiness);
    } else {
      this.#route(this.#server, '/init', 'post', (request, response) =>
        handleInit(request, response, service),
      );
      this.#route(this.#server, '/run', 'post', (request, response) => handleRun(request, response, service));
      this.#route(this.#server, '/healthz', 'get', this.#health);
      this.#route(this.#server, '/readyz', 'get', this.#readiness);
      if (metrics && metricsPort === undefined) this.#route(this.#server, '/metrics', 'get', this.#metrics);
    }
  }

  /**
   * Listens on all interfaces.
   *
   * @param port 0 takes a free one
   * @param metricsPort for the pages of the operator; undefined for none
   * @returns the port, which the system chose where 0 was asked for
   * @throws Error when a port can't be had
   */
  async listen(port: number, metricsPort: number | undefined): Promise<number> {
    if (metricsPort !== undefined) {
      this.#adminServer = this.#create();
      this.#route(this.#adminServer, '/healthz', 'get', this.#health);
      this.#route(this.#adminServer, '/readyz', 'get', this.#readiness);
      if (this.#service.config.metrics) this.#route(this.#adminServer, '/metrics', 'get', this.#metrics);
      await listen(this.#adminServer, metricsPort);
    }
    if (this.#service.config.knative) await this.#serveKnative();
    await listen(this.#server, port);
    return this.#server.port;
  }

  /** Takes no new connections. */
  close(): void {
    this.#server.close();
    this.#adminServer?.close();
  }

  /** Imported only in that mode. */
  async #serveKnative(): Promise<void> {
    const { KnativeRoute } = await import('../knative/route.js');
    const knative = new KnativeRoute(this.#service);
    const server = this.#server;
    for (const method of knative.methods) {
      server[method]('/', ROUTE_OPTIONS, (request: Request, response: Response) =>
        knative.handle(request, response),
      );
    }
    if (knative.methods.includes('get')) {
      server.head('/', ROUTE_OPTIONS, (request, response) => knative.handle(request, response));
    }
    if (!knative.methods.includes('options')) {
      server.options('/', (request, response) => sendAllow(request, response, knative.allow));
    }
    server.any('/', (request, response) => this.#refuseMethod(request, response, knative.allow));
  }

  #create(): Server {
    const server = new Server({ max_body_length: NO_LIMIT, auto_close: false });
    server.set_not_found_handler((request: Request, response: Response) => {
      this.#service.strayed('not_found', requestIdOf(request));
      sendFailure(request, response, { code: 'not_found' });
    });
    server.set_error_handler((request: Request, response: Response, error: Error) => {
      this.#service.metrics?.countFailure('internal');
      this.#service.log.fault('a request handler failed', error);
      sendFailure(request, response, { code: 'internal', detail: error.message });
    });
    return server;
  }

  /** A path that takes one method; the others are told so. */
  #route(server: Server, path: string, method: 'get' | 'post', handler: Handler): void {
    const allow = `${method.toUpperCase()}, OPTIONS`;
    server[method](path, ROUTE_OPTIONS, handler);
    server.options(path, (request, response) => sendAllow(request, response, allow));
    server.any(path, (request, response) => this.#refuseMethod(request, response, allow));
  }

  #refuseMethod(request: Request, response: Response, allow: string): void {
    this.#service.strayed('method_not_allowed', requestIdOf(request));
    sendFailure(request, response, { code: 'method_not_allowed' }, allow);
  }

  readonly #health: Handler = (request, response) => sendText(request, response, 200, 'text/plain', 'ok\n');

  readonly #readiness: Handler = (request, response) => {
    if (this.#service.draining) sendFailure(request, response, { code: 'draining' });
    else if (this.#service.ready) sendText(request, response, 200, 'text/plain', 'ready\n');
    else sendText(request, response, 503, 'text/plain', 'starting\n');
  };

  readonly #metrics: Handler = async (request, response) => {
    const page = await this.#service.metrics?.scrape(request.headers.accept);
    if (page === undefined) sendFailure(request, response, { code: 'not_found' });
    else sendText(request, response, 200, page.type, page.text);
  };
}

async function listen(server: Server, port: number): Promise<void> {
  try {
    await server.listen(port, HOST);
  } catch (error) {
    throw new Error(`port ${port} can't be listened on`, { cause: error });
  }
}
