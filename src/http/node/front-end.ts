import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionTimes, type FrontEnd, MAX_HEAD_BYTES, type SiteServer } from '../front-end.js';
import { ListenError } from '../listener.js';
import type { Handler, Route, Site } from '../routes.js';
import { Transfers } from '../transfers.js';
import { Connection } from './connection.js';
import { NodeExchange } from './exchange.js';
import { refusalOf } from './refusal.js';
import { headProblem, targetOf } from './request-head.js';

/** How long the head of a request may take to come whole. */
const HEAD_TIMEOUT_MS = 20_000;
/** How often that is looked at. */
const HEAD_CHECK_MS = 1000;
/** After so long without a packet the kernel asks whether the other side is still there (SO_KEEPALIVE). */
const PROBE_AFTER_MS = 60_000;

/** HTTP by Node's own module: slower than uWebSockets, and without its gaps. docs/reference/http.md compares them. */
export class NodeFrontEnd implements FrontEnd {
  readonly name = 'node';
  readonly #keepAliveMs: number;
  readonly #transfers: Transfers;

  constructor({ keepAliveMs, stallTimeoutMs }: ConnectionTimes) {
    this.#keepAliveMs = keepAliveMs;
    this.#transfers = new Transfers(stallTimeoutMs);
  }

  serve(site: Site): SiteServer {
    const routes = new Map(site.routes.map((route) => [route.path, route]));
    return {
      // A server of node:http listens on one address.
      listen: async (address, port) => {
        const server = this.#createServer(site, routes);
        try {
          server.listen({ host: address, port, exclusive: true });
          await once(server, 'listening');
        } catch (error) {
          throw new ListenError(address, port, (error as NodeJS.ErrnoException).code ?? String(error));
        }
        server.on('error', () => {
          // Of accept(2), for want of descriptors: libuv closes what it can't take, and goes on.
        });
        return { port: (server.address() as AddressInfo).port, close: () => server.close() };
      },
    };
  }

  #createServer(site: Site, routes: ReadonlyMap<string, Route>): Server {
    const server = createServer({
      insecureHTTPParser: false,
      maxHeaderSize: MAX_HEAD_BYTES,
      keepAlive: true,
      keepAliveInitialDelay: PROBE_AFTER_MS,
      keepAliveTimeout: this.#keepAliveMs,
      headersTimeout: HEAD_TIMEOUT_MS,
      connectionsCheckingInterval: HEAD_CHECK_MS,
      // A body may take as long as it likes, while it comes: that is what Transfers are for.
      requestTimeout: 0,
      // Node's own answer has no body; the check is headProblem()'s.
      requireHostHeader: false,
    });
    // Node leaves further ones out without a word; the size of the head bounds them.
    server.maxHeadersCount = 0;
    // A client may close its sending side and wait for its answer (RFC 9112, section 9.6). Its types do not name it.
    (server as unknown as { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
    server.on('connection', (socket) => {
      const isTaken = site.connections.opened();
      socket.once('close', () => site.connections.closed());
      if (!isTaken) socket.destroy();
    });
    const connections = new WeakMap<Duplex, Connection>();
    const connectionOf = (socket: Socket): Connection => {
      const known = connections.get(socket);
      if (known !== undefined) return known;
      const connection = new Connection(socket);
      connections.set(socket, connection);
      return connection;
    };
    const take = (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void => {
      const exchange = new NodeExchange(request, response, this.#transfers, expectsContinue);
      connectionOf(request.socket).add(exchange, () => dispatch(exchange, request, site, routes));
    };
    server.on('request', (request, response) => take(request, response, false));
    server.on('checkContinue', (request, response) => take(request, response, true));
    // Expectations other than 100-continue mean nothing here (RFC 9110, section 10.1.1).
    server.on('checkExpectation', (request, response) => take(request, response, false));
    server.on('connect', (_request: IncomingMessage, socket: Socket) => {
      connectionOf(socket).refuse(() => site.refused({ code: 'method_not_allowed' }));
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      const connection = connectionOf(socket as Socket);
      const refusal = refusalOf(error);
      if (refusal === undefined) connection.drop();
      else connection.fail(refusal.reason, () => site.refused(refusal.failure));
    });
    return server;
  }
}

/** Has the exchange answered by whatever the site has for it. */
function dispatch(
  exchange: NodeExchange,
  request: IncomingMessage,
  site: Site,
  routes: ReadonlyMap<string, Route>,
): void {
  const problem = headProblem(request);
  const target = targetOf(request.url ?? '');
  if (problem !== undefined || target === undefined) {
    exchange.answer(
      site.refused(problem ?? { code: 'malformed_request', detail: 'its target is not a path' }),
    );
    return;
  }
  exchange.query = target.query;
  void answerBy(handlerFor(routes.get(target.path), exchange.method) ?? site.notFound, exchange, site);
}

function handlerFor(route: Route | undefined, method: string): Handler | undefined {
  return route && (route.handlers.get(method) ?? route.otherwise);
}

async function answerBy(handler: Handler, exchange: NodeExchange, site: Site): Promise<void> {
  try {
    await handler(exchange);
  } catch (error) {
    site.failed(exchange, error);
  }
}
