import type { Config } from '../config/load.js';
import { type ConnectionTimes, type FrontEnd, MAX_HEAD_BYTES } from './front-end.js';

/** The front end that was asked for, and why it is another than the first choice. */
interface LoadedFrontEnd {
  readonly frontEnd: FrontEnd;
  /** Empty if it is the first choice. */
  readonly fallbackReason: string;
}

/**
 * Loads a front end. The other one is not even read.
 *
 * @param choice `auto` is uws, and node if uws can't be loaded
 * @throws Error for the operator if uws was asked for and can't be loaded
 */
export async function loadFrontEnd(choice: Config['http'], times: ConnectionTimes): Promise<LoadedFrontEnd> {
  let fallbackReason = '';
  if (choice !== 'node') {
    const loaded = await loadUws();
    if (typeof loaded !== 'string') return { frontEnd: new loaded.UwsFrontEnd(times), fallbackReason };
    if (choice === 'uws') throw new Error(loaded);
    fallbackReason = loaded;
  }
  const { NodeFrontEnd } = await import('./node/front-end.js');
  return { frontEnd: new NodeFrontEnd(times), fallbackReason };
}

/** Read by uWebSockets when it is loaded: the bytes of a request's head that come in more than one packet. */
const HEAD_BYTES_VARIABLE = 'UWS_HTTP_MAX_HEADERS_SIZE';

/** @returns the module; why there is none, if it can't be loaded */
export async function loadUws(): Promise<typeof import('./uws/front-end.js') | string> {
  const { env } = process;
  const before = env[HEAD_BYTES_VARIABLE];
  env[HEAD_BYTES_VARIABLE] = before ?? String(MAX_HEAD_BYTES);
  try {
    return await import('./uws/front-end.js');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n').at(-1) : String(cause);
    return `uWebSockets can't be loaded by Node ${process.version} on this system: Node 20 needs glibc 2.28, later ones need 2.38 (${reason})`;
  } finally {
    // Actions inherit the environment.
    if (before === undefined) delete env[HEAD_BYTES_VARIABLE];
  }
}
