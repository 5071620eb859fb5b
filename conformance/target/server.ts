import { type IncomingHttpHeaders, request } from 'node:http';
import type { Protocol } from '../case.js';
import { RawConnection } from './raw-connection.js';

/** One answer of the target. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

/** A runtime that answers somewhere; nothing is known of it but its address. */
export class Server {
  readonly host: string;
  readonly port: number;
  readonly protocol: Protocol;

  constructor(host: string, port: number, protocol: Protocol) {
    this.host = host;
    this.port = port;
    this.protocol = protocol;
  }

  /** One request on a connection of its own, as the platform sends them (C-PLAT-04). */
  request(
    method: string,
    path: string,
    body: string | Uint8Array = '',
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      const outgoing = request({
        host: this.host,
        port: this.port,
        method,
        path,
        agent: false,
        headers: {
          'Content-Type': 'application/json',
          Accept: 'application/json',
          'Content-Length': String(Buffer.byteLength(body)),
          ...headers,
        },
      });
      outgoing.once('error', reject);
      outgoing.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const whole = Buffer.concat(chunks);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: whole,
            text: whole.toString('utf8'),
          });
        });
      });
      outgoing.end(body);
    });
    // A case that has failed meanwhile waits for no answer; that one is missing then is no failure of its own.
    answer.catch(() => {});
    return answer;
  }

  /** POST with this very text or these bytes. */
  post(path: string, body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('POST', path, body, headers);
  }

  /** POST /init with this `value`. */
  init(value: Record<string, unknown>): Promise<Answer> {
    return this.post('/init', JSON.stringify({ value }));
  }

  /** POST /run with this `value` and context. */
  run(value: unknown = {}, context: Record<string, unknown> = {}): Promise<Answer> {
    return this.post('/run', JSON.stringify({ value, ...context }));
  }

  /** Runs a shell script by the suite's action; see toolbox.ts. */
  sh(script: string, context: Record<string, unknown> = {}): Promise<Answer> {
    const value = { sh: Buffer.from(script).toString('base64') };
    const path = this.protocol === 'knative' ? '/' : '/run';
    return this.post(path, JSON.stringify({ value, ...context }));
  }

  /** A connection for bytes that no HTTP client would send. */
  connect(): Promise<RawConnection> {
    return RawConnection.open(this.host, this.port);
  }
}
