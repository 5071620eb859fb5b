import { messageOf } from '../protocol/message-of.js';
import { Snapshot } from './snapshot.js';
import { parseText } from './text-format.js';

const TIMEOUT_MS = 5000;

/**
 * Asks a server for its metrics.
 *
 * @throws Error with a message for the person at the terminal
 */
export async function scrape(url: string): Promise<Snapshot> {
  const response = await get(url);
  if (response.status === 404) {
    throw new Error(
      `${url} is not there: HYPERSKELETON_METRICS is off, or the server has a port of its own for metrics (HYPERSKELETON_METRICS_PORT)`,
    );
  }
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const atMs = performance.now();
  const text = await response.text();
  try {
    return new Snapshot(parseText(text), atMs);
  } catch (error) {
    throw new Error(`${url}: ${messageOf(error)}`, { cause: error });
  }
}

async function get(url: string): Promise<Response> {
  try {
    return await fetch(url, {
      headers: { Accept: 'text/plain; version=0.0.4' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new Error(`${url} can't be reached: ${reasonOf(error)}`, { cause: error });
  }
}

/** What is behind the two words "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`;
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  const { code } = cause as NodeJS.ErrnoException;
  return code === 'ECONNREFUSED' ? 'nobody listens there' : cause.message || code || error.message;
}
