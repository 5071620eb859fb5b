import type { ConnectionLimit } from '../admission/connection-limit.js';
import type { Failure } from '../protocol/errors.js';
import type { Answer, Exchange } from './exchange.js';

/** Answers an exchange. A failure is the server's own. */
export type Handler = (exchange: Exchange) => Promise<void> | void;

/** A path and what it takes. */
export interface Route {
  readonly path: string;
  /** By method, in upper case. */
  readonly handlers: ReadonlyMap<string, Handler>;
  /** Answers every other method. */
  readonly otherwise: Handler;
}

/** All that a server answers; every front end serves it in the same way. */
export interface Site {
  /** Of all sites together. Connections beyond it are closed at once. */
  readonly connections: ConnectionLimit;
  readonly routes: readonly Route[];
  /** Answers every other path. */
  readonly notFound: Handler;
  /** Answers an exchange whose handler has failed. */
  failed(exchange: Exchange, error: unknown): void;
  /**
   * Notes what was no request, or none that can be taken.
   *
   * @returns what to answer before the connection ends
   */
  refused(failure: Failure): Answer;
}
