import type { Failure } from '../errors/table.js';
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

/** Bounds the connections that are open at a time, of all servers together. */
export interface Connections {
  /** Counts a new connection. @returns false for one too many, which is to be closed */
  opened(): boolean;
  /** A connection that was counted has ended, refused or not. */
  closed(): void;
}

/** All that a server answers; every front end serves it in the same way. */
export interface Site {
  readonly routes: readonly Route[];
  readonly connections: Connections;
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
