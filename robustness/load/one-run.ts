import { Connection, requestBytes } from '../../bench/load/connection.js';
import type { Session } from '../check/session.js';
import { causeIn } from './token-clients.js';

/** Sends one run whose answer may be anything but another's; resolves when it is over. */
export async function postRun(session: Session, bodyOf: (token: string) => string): Promise<void> {
  const { subject, ledger, tally } = session;
  const endpoint = { host: '127.0.0.1', port: subject.port, path: subject.path };
  const token = ledger.issue();
  const connection = new Connection(endpoint);
  try {
    const { status, head, body } = await connection.send(requestBytes(endpoint, bodyOf(token)));
    session.answered(token, status, causeIn(head), body);
  } catch {
    ledger.closed(token);
    tally.unanswered('run');
  } finally {
    connection.close();
  }
}
