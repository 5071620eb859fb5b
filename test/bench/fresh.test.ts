import { createServer } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type * as Fresh from '../../bench/load/fresh.js';
import { built } from './support.js';

let connections = 0;
let answers = 0;
const server = createServer((request, response) => {
  request.resume();
  request.once('end', () => response.end(++answers === 5 ? 'no' : '{}'));
}).on('connection', () => connections++);
const source = { constant: true, next: () => ({ body: '{}', check: (answer: string) => answer === '{}' }) };
let endpoint = { host: '127.0.0.1', port: 0, path: '/run' };

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address === 'object' && address !== null) endpoint = { ...endpoint, port: address.port };
});
afterAll(() => server.close());

it('a loop of new connections makes one for each request, and checks each answer', async () => {
  const { freshLoop } = await built<typeof Fresh>('load/fresh.js');
  const result = await freshLoop({ endpoint, connections: 2, seconds: 0.3, source });
  expect(result.answers).toBeGreaterThan(5);
  expect(connections).toBe(answers);
  expect(result.answers).toBe(answers - 1);
  expect(result.errors).toEqual({ body: 1 });
  expect(result.example).toBe('body: no');
  expect(result.latency?.count).toBe(result.answers);
});

it('a loop of new connections ends when it is told to, and where nobody listens', async () => {
  const { freshLoop } = await built<typeof Fresh>('load/fresh.js');
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const address = silent.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const load = { endpoint: { ...endpoint, port }, connections: 2, source };
  const stopped = await freshLoop({ ...load, seconds: 60, signal: AbortSignal.timeout(100) });
  expect(stopped).toMatchObject({ answers: 0, errors: {} });
  silent.closeAllConnections();
  await new Promise((resolve) => silent.close(resolve));
  const refused = await freshLoop({ ...load, seconds: 0.05 });
  expect(refused.errors.connection).toBeGreaterThan(0);
});
