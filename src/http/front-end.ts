import type { Config } from '../config/load.js';
import type { Site } from './routes.js';

/** A socket that listens. */
export interface ListeningSocket {
  /** The one that the system chose, if 0 was asked for. */
  readonly port: number;
  /** Takes no new connections; those that there are stay. */
  close(): void;
}

/** A server of one site. */
export interface SiteServer {
  /**
   * Listens on one IP address, which no other process can listen on then.
   *
   * @throws ListenError
   */
  listen(address: string, port: number): Promise<ListeningSocket>;
}

/** How long connections may do nothing; uWebSockets has a time of its own between requests. */
export type ConnectionTimes = Pick<Config, 'keepAliveMs' | 'stallTimeoutMs'>;

/** What speaks HTTP: it takes requests as they come, and sends answers. */
export interface FrontEnd {
  readonly name: Exclude<Config['http'], 'auto'>;
  /** A server of these routes, which get no further ones. */
  serve(site: Site): SiteServer;
}
/** The largest head of a request, request line included, in both front ends. */
export const MAX_HEAD_BYTES = 64 * 1024;
