import { type Request, type Response, Server } from 'hyper-express';
import { sendAllow, sendFailure, sendText } from './answer.js';
import { handleInit } from './init-route.js';
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

/** The HTTP front end (section 1): routes, methods, unknown paths. It never looks into a body. */
export class HttpServer {
  readonly #server = new Server({
    max_body_length: NO_LIMIT,
    auto_close: false,
  });

  constructor(service: Service) {
    this.#route('/init', 'post', (request, response) => handleInit(request, response, service));
    this.#route('/run', 'post', (request, response) => handleRun(request, response, service));
    this.#route('/healthz', 'get', (request, response) =>
      sendText(request, response, 200, 'text/plain', 'ok\n'),
    );
    this.#route('/readyz', 'get', (request, response) => {
      if (service.draining) sendFailure(request, response, { code: 'draining' });
      else if (service.ready) sendText(request, response, 200, 'text/plain', 'ready\n');
      else sendText(request, response, 503, 'text/plain', 'starting\n');
    });
    if (service.config.metrics) {
      this.#route('/metrics', 'get', async (request, response) => {
        const accept = request.headers.accept;
        const { type, text } = await service.metrics.scrape(accept);
        sendText(request, response, 200, type, text);
      });
    }
    this.#server.set_not_found_handler((request: Request, response: Response) =>
      sendFailure(request, response, { code: 'not_found' }),
    );
    this.#server.set_error_handler((request: Request, response: Response, error: Error) => {
      service.log.fault('a request handler failed', error);
      sendFailure(request, response, { code: 'internal', detail: error.message });
    });
  }

  /**
   * Listens on all interfaces.
   *
   * @returns the port, which the system chose where 0 was asked for
   * @throws Error when the port can't be had
   */
  async listen(port: number): Promise<number> {
    try {
      await this.#server.listen(port, HOST);
    } catch (error) {
      throw new Error(`port ${port} can't be listened on`, { cause: error });
    }
    return this.#server.port;
  }

  /** Takes no new connections. */
  close(): void {
    this.#server.close();
  }

  #route(path: string, method: 'get' | 'post', handler: Handler): void {
    const allow = `${method.toUpperCase()}, OPTIONS`;
    this.#server[method](path, ROUTE_OPTIONS, handler);
    this.#server.options(path, (request, response) => sendAllow(request, response, allow));
    this.#server.any(path, (request, response) =>
      sendFailure(request, response, { code: 'method_not_allowed' }, allow),
    );
  }
}
