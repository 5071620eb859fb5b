import { type Request, type Response, Server } from 'hyper-express';
import { sendAllow, sendFailure, sendText } from './answer.js';
import { defaultHosts } from './default-hosts.js';
import { handleInit } from './init-route.js';
import { type ListenAddress, Listener } from './listener.js';
import { OriginCheck } from './origin-check.js';
import { requestIdOf } from './receive.js';
import { handleRun } from './run-route.js';
import type { Service } from './service.js';
import { limitConnections } from './uws-connections.js';

/** Bodies are limited by the routes, with answers of the contract's form. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

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
  readonly #origins: OriginCheck;
  readonly #listeners: Listener[] = [];

  constructor(service: Service) {
    this.#service = service;
    this.#server = this.#create();
    this.#origins = new OriginCheck(service.config.allowedOrigins);
    const { knative, metrics, metricsPort } = service.config;
    if (knative) {
      this.#route(this.#server, '/_hyperskeleton/healthz', 'get', this.#health);
      this.#route(this.#server, '/_hyperskeleton/readyz', 'get', this.#readiness);
    } else {
      this.#route(this.#server, '/init', 'post', this.#fromOwnOrigin(handleInit));
      this.#route(this.#server, '/run', 'post', this.#fromOwnOrigin(handleRun));
      this.#route(this.#server, '/healthz', 'get', this.#health);
      this.#route(this.#server, '/readyz', 'get', this.#readiness);
      if (metrics && metricsPort === undefined) this.#route(this.#server, '/metrics', 'get', this.#metrics);
    }
  }

  /**
   * Listens on the ports and hosts of the configuration.
   *
   * @returns where the activations come in; the port is the one that the system chose, if 0 was asked for
   * @throws Error for the operator when an address can't be had
   */
  async listen(): Promise<readonly ListenAddress[]> {
    const { config } = this.#service;
    const { port, metricsPort, knative } = config;
    if (metricsPort !== undefined) {
      const server = this.#create();
      this.#route(server, '/healthz', 'get', this.#health);
      this.#route(server, '/readyz', 'get', this.#readiness);
      if (config.metrics) this.#route(server, '/metrics', 'get', this.#metrics);
      await this.#listenOn(server, config.metricsHosts ?? config.hosts, metricsPort);
    }
    if (knative) await this.#serveKnative();
    return this.#listenOn(this.#server, config.hosts, port);
  }

  /** Takes no new connections. */
  close(): void {
    for (const listener of this.#listeners) listener.close();
  }

  #listenOn(
    server: Server,
    hosts: readonly string[] | undefined,
    port: number,
  ): Promise<readonly ListenAddress[]> {
    const listener = new Listener(server);
    this.#listeners.push(listener);
    return listener.listen({ hosts: hosts ?? defaultHosts(), port, skipsMissing: hosts === undefined });
  }

  /** Runs code for whoever may: pages of other origins are answered 403, their bodies are ignored. */
  #fromOwnOrigin(
    handler: (request: Request, response: Response, service: Service) => Promise<void>,
  ): Handler {
    const service = this.#service;
    return (request, response) => {
      const { origin, host, 'sec-fetch-site': secFetchSite } = request.headers;
      if (this.#origins.allows({ origin, host, secFetchSite })) return handler(request, response, service);
      service.refused('foreign_origin', requestIdOf(request));
      sendFailure(request, response, { code: 'foreign_origin' });
      return undefined;
    };
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
    limitConnections(server, this.#service.connections);
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
