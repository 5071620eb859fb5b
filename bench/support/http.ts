import { type Agent, request } from 'node:http';
import { pipeline, type Readable } from 'node:stream';

/** One answer. */
export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** What is sent: the bytes, or a stream of known length. */
type Payload = string | Buffer | { readonly stream: Readable; readonly lengthBytes: number };

/** Sends one request to the local server; without an agent on a connection of its own. */
export function send(
  port: number,
  method: 'GET' | 'POST',
  path: string,
  payload: Payload = '',
  agent?: Agent,
): Promise<Answer> {
  const bytes = typeof payload === 'string' || Buffer.isBuffer(payload);
  const length = bytes ? Buffer.byteLength(payload) : payload.lengthBytes;
  const headers = { 'Content-Type': 'application/json', 'Content-Length': length };
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, method, path, agent: agent ?? false, headers },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }),
        );
      },
    );
    outgoing.once('error', reject);
    if (bytes) outgoing.end(payload);
    else pipeline(payload.stream, outgoing, (error) => error && reject(error));
  });
}

/** Sends one request and demands a 200. */
export async function sendOk(
  port: number,
  method: 'GET' | 'POST',
  path: string,
  payload?: Payload,
  agent?: Agent,
): Promise<Buffer> {
  const { status, body } = await send(port, method, path, payload, agent);
  if (status !== 200) throw new Error(`${method} ${path}: ${status} ${body.toString('utf8', 0, 200)}`);
  return body;
}
