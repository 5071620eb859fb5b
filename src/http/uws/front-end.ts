import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Request, type Response, Server, compressors as uWebSockets } from 'hyper-express';
import type { ConnectionTimes, FrontEnd, ListeningSocket, SiteServer } from '../front-end.js';
import { ListenError } from '../listener.js';
import type { Handler, Site } from '../routes.js';
import { Transfers } from '../transfers.js';
import { limitConnections } from './connections.js';
import { UwsExchange } from './exchange.js';

/** Bodies are limited by the routes, with answers of the contract's form. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/**
 * Once its stream is full the framework pauses it and nothing resumes it; a body is taken as it comes. The
 * framework reads this option of a route, its types do not name it.
 */
const ROUTE_OPTIONS = { streaming: { readable: { highWaterMark: NO_LIMIT } } } as object;

type Socket = NonNullable<Parameters<Server['close']>[0]>;
/** App.listen of uWebSockets.js with a host and options, which its types do not have together. */
type Listen = (host: string, port: number, options: number, done: (socket: Socket | false) => void) => void;
type Verb = 'get' | 'head' | 'post' | 'put' | 'delete' | 'options';

/** Without SO_REUSEPORT (socket(7)): with it any process of the same user could take a share of the connections. */
const LIBUS_LISTEN_EXCLUSIVE_PORT = 1;

/** HTTP by uWebSockets, through hyper-express: the fast one. docs/reference/http.md has what it can't do. */
export class UwsFrontEnd implements FrontEnd {
  readonly name = 'uws';
  readonly #transfers: Transfers;

  constructor({ stallTimeoutMs }: ConnectionTimes) {
    this.#transfers = new Transfers(stallTimeoutMs);
  }

  serve(site: Site): SiteServer {
    const transfers = this.#transfers;
    const server = new Server({ max_body_length: NO_LIMIT, auto_close: false });
    limitConnections(server, site.connections);
    const by = (handler: Handler) => (request: Request, response: Response) =>
      handler(new UwsExchange(request, response, transfers));
    for (const { path, handlers, otherwise } of site.routes) {
      for (const [method, handler] of handlers) {
        server[method.toLowerCase() as Verb](path, ROUTE_OPTIONS, by(handler));
      }
      server.any(path, by(otherwise));
    }
    server.set_not_found_handler(by(site.notFound));
    server.set_error_handler((request: Request, response: Response, error: Error) =>
      site.failed(new UwsExchange(request, response, transfers), error),
    );
    // What the framework's own listen() does first; that takes neither options nor a second address.
    (server as unknown as { _compile(): void })._compile();
    return { listen: (address, port) => listenOn(server, address, port) };
  }
}

async function listenOn(server: Server, address: string, port: number): Promise<ListeningSocket> {
  const app = server.uws_instance as unknown as { listen: Listen };
  const socket = await new Promise<Socket | false>((resolve) => {
    app.listen(address, port, LIBUS_LISTEN_EXCLUSIVE_PORT, resolve);
  });
  if (socket === false) throw new ListenError(address, port, await bindError(address, port));
  return { port: port === 0 ? localPort(socket) : port, close: () => server.close(socket) };
}

function localPort(socket: Socket): number {
  return uWebSockets.us_socket_local_port(
    socket as unknown as Parameters<typeof uWebSockets.us_socket_local_port>[0],
  );
}

/** Why an address can't be had, by the name of the error (bind(2)): uWebSockets says only that it can't. */
async function bindError(address: string, port: number): Promise<string> {
  const probe = createServer();
  try {
    probe.listen({ host: address, port, exclusive: true });
    await once(probe, 'listening');
    probe.close();
    return 'it was in use a moment ago';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
