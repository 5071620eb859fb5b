import type { Exchange } from '../http/exchange.js';
import type { FrontEnd, SiteServer } from '../http/front-end.js';
import { type ListenAddress, Listener } from '../http/listener.js';
import type { Handler, Route, Site } from '../http/routes.js';
import { messageOf } from '../protocol/message-of.js';
import { failureAnswer, sendAllow, sendFailure, sendText } from './answer.js';
import { defaultHosts } from './default-hosts.js';
import { handleInit } from './init-route.js';
import { OriginCheck } from './origin-check.js';
import { requestIdOf } from './receive.js';
import { handleRun } from './run-route.js';
import { recordRefusal, recordUnmatched, type ServerContext } from './server-context.js';

/** The server's side of HTTP (C-SRV-04, C-KN-01): routes, methods, unknown paths. It never looks into a body. */
export class HttpServer {
  readonly #context: ServerContext;
  readonly #frontEnd: FrontEnd;
  readonly #origins: OriginCheck;
  readonly #listeners: Listener[] = [];

  constructor(context: ServerContext, frontEnd: FrontEnd) {
    this.#context = context;
    this.#frontEnd = frontEnd;
    this.#origins = new OriginCheck(context.config.allowedOrigins);
  }

  /**
   * Listens on the ports and hosts of the configuration.
   *
   * @returns where the activations come in; the port is the one that the system chose, if 0 was asked for
   * @throws Error for the operator when an address can't be had
   */
  async listen(): Promise<readonly ListenAddress[]> {
    const { config } = this.#context;
    const { port, metricsPort, metrics, platform } = config;
    if (metricsPort !== undefined) {
      const routes = [...this.#probes(''), ...(metrics ? [this.#page('/metrics', this.#metrics)] : [])];
      await this.#listenOn(this.#serve(routes), config.metricsHosts ?? config.hosts, metricsPort);
    }
    const routes = platform === 'knative' ? await this.#knativeRoutes() : this.#classicRoutes();
    return this.#listenOn(this.#serve(routes), config.hosts, port);
  }

  /** Takes no new connections. */
  close(): void {
    for (const listener of this.#listeners) listener.close();
  }

  #listenOn(
    server: SiteServer,
    hosts: readonly string[] | undefined,
    port: number,
  ): Promise<readonly ListenAddress[]> {
    const listener = new Listener(server);
    this.#listeners.push(listener);
    return listener.listen({ hosts: hosts ?? defaultHosts(), port, skipsMissing: hosts === undefined });
  }

  #classicRoutes(): Route[] {
    const { metrics, metricsPort } = this.#context.config;
    return [
      this.#route('/init', { POST: this.#fromOwnOrigin(handleInit) }),
      this.#route('/run', { POST: this.#fromOwnOrigin(handleRun) }),
      ...this.#probes(''),
      ...(metrics && metricsPort === undefined ? [this.#page('/metrics', this.#metrics)] : []),
    ];
  }

  /** Imported only in that mode. */
  async #knativeRoutes(): Promise<Route[]> {
    const { KnativeRoute } = await import('./knative-route.js');
    const knative = new KnativeRoute(this.#context);
    const handle: Handler = (exchange) => knative.handle(exchange);
    const handlers = knative.methods.map((method) => [method.toUpperCase(), handle] as const);
    return [this.#route('/', Object.fromEntries(handlers)), ...this.#probes('/_hyperskeleton')];
  }

  #probes(prefix: string): Route[] {
    return [this.#page(`${prefix}/healthz`, this.#health), this.#page(`${prefix}/readyz`, this.#readiness)];
  }

  #page(path: string, handler: Handler): Route {
    return this.#route(path, { GET: handler });
  }

  /** A path and its methods: GET brings HEAD (RFC 9110, section 9.3.2), OPTIONS names them, others are a 405. */
  #route(path: string, methods: Readonly<Record<string, Handler>>): Route {
    const handlers = new Map(Object.entries(methods));
    const { GET } = methods;
    if (GET !== undefined) handlers.set('HEAD', GET);
    const allow = [...new Set([...handlers.keys(), 'OPTIONS'])].join(', ');
    if (!handlers.has('OPTIONS')) handlers.set('OPTIONS', (exchange) => sendAllow(exchange, allow));
    return { path, handlers, otherwise: (exchange) => this.#refuseMethod(exchange, allow) };
  }

  #serve(routes: readonly Route[]): SiteServer {
    const context = this.#context;
    const site: Site = {
      connections: context.connections,
      routes,
      notFound: (exchange) => {
        recordUnmatched(context, 'not_found', requestIdOf(exchange));
        sendFailure(exchange, { code: 'not_found' });
      },
      failed: (exchange, error) => {
        context.metrics?.countFailure('internal');
        context.log.logFault('a request handler failed', error);
        sendFailure(exchange, {
          code: 'internal',
          detail: messageOf(error),
        });
      },
      refused: (failure) => {
        if (failure.code === 'method_not_allowed') recordUnmatched(context, failure.code);
        else recordRefusal(context, failure.code);
        return failureAnswer(failure);
      },
    };
    return this.#frontEnd.serve(site);
  }

  /** Runs code for whoever may: pages of other origins are answered 403, their bodies are ignored. */
  #fromOwnOrigin(handler: (exchange: Exchange, context: ServerContext) => Promise<void>): Handler {
    const context = this.#context;
    return (exchange) => {
      const origin = exchange.header('origin');
      const secFetchSite = exchange.header('sec-fetch-site');
      if (this.#origins.allows({ origin, host: exchange.header('host'), secFetchSite }))
        return handler(exchange, context);
      recordRefusal(context, 'foreign_origin', requestIdOf(exchange));
      sendFailure(exchange, { code: 'foreign_origin' });
      return undefined;
    };
  }

  #refuseMethod(exchange: Exchange, allow: string): void {
    recordUnmatched(this.#context, 'method_not_allowed', requestIdOf(exchange));
    sendFailure(exchange, { code: 'method_not_allowed' }, allow);
  }

  readonly #health: Handler = (exchange) => sendText(exchange, 200, 'text/plain', 'ok\n');

  readonly #readiness: Handler = (exchange) => {
    if (this.#context.draining) sendFailure(exchange, { code: 'draining' });
    else if (this.#context.ready) sendText(exchange, 200, 'text/plain', 'ready\n');
    else sendText(exchange, 503, 'text/plain', 'starting\n');
  };

  readonly #metrics: Handler = async (exchange) => {
    const page = await this.#context.metrics?.scrape(exchange.header('accept'));
    if (page === undefined) sendFailure(exchange, { code: 'not_found' });
    else sendText(exchange, 200, page.type, page.text);
  };
}
