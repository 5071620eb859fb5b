import { messageOf } from '../../src/protocol/message-of.js';
import { LatencyRecorder } from '../measure/latency.js';
import type { ClosedOptions, ClosedResult } from './closed.js';
import { Connection, requestBytes } from './connection.js';
import { countError, type ErrorCounts } from './exchange.js';

const EXAMPLE_CHARS = 200;

/**
 * A closed loop that makes a connection for each request, and counts that as part of it: what a server does on kept
 * connections only, such as waiting for the client's acknowledgement between two writes, does not show.
 */
export async function freshLoop(options: ClosedOptions): Promise<ClosedResult> {
  const { endpoint, connections, seconds, source, signal, onAnswer } = options;
  const recorder = new LatencyRecorder();
  const errors: ErrorCounts = {};
  let example: string | undefined;
  const wrong = (kind: string, answer: string): void => {
    countError(errors, kind);
    example ??= `${kind}: ${answer.slice(0, EXAMPLE_CHARS)}`;
  };
  const before = performance.eventLoopUtilization();
  const beginMs = performance.now();
  const endMs = beginMs + seconds * 1000;
  const askOnce = async (): Promise<void> => {
    const exchange = source.next();
    const connection = new Connection(endpoint);
    const stop = (): void => connection.abandon();
    signal?.addEventListener('abort', stop, { once: true });
    const askedMs = performance.now();
    try {
      const { status, body } = await connection.send(requestBytes(endpoint, exchange.body));
      const answer = body.toString('utf8');
      if (status !== 200) wrong(`status ${status}`, answer);
      else if (!exchange.check(answer)) wrong('body', answer);
      else recorder.record((performance.now() - askedMs) * 1000);
      onAnswer?.();
    } catch (error) {
      if (signal?.aborted !== true) wrong('connection', messageOf(error));
    } finally {
      signal?.removeEventListener('abort', stop);
      connection.close();
    }
  };
  const keepAsking = async (): Promise<void> => {
    while (performance.now() < endMs && signal?.aborted !== true) await askOnce();
  };
  await Promise.all(Array.from({ length: connections }, keepAsking));
  const tookSeconds = (performance.now() - beginMs) / 1000;
  return {
    seconds: tookSeconds,
    answers: recorder.count,
    allAnswers: recorder.count,
    ratePerSecond: recorder.count / tookSeconds,
    latency: recorder.report(),
    errors,
    example,
    busyShare: performance.eventLoopUtilization(before).utilization,
  };
}
