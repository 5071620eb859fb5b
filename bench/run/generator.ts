import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { closedLoop } from '../load/closed.js';
import { type Endpoint, totalErrors } from '../load/exchange.js';
import { summarize } from '../measure/statistics.js';
import type { BenchReport } from '../report/schema.js';
import { helloExchanges } from '../scenarios/hello.js';
import { onEnd } from '../support/cleanup.js';
import { findProgram } from '../support/find-program.js';
import { bareAnswer } from '../targets/references.js';
import { RunningTarget } from '../targets/running.js';
import { generatorEffort } from './plan.js';
import type { Session } from './session.js';

const execute = promisify(execFile);

type Generator = NonNullable<BenchReport['generator']>;

/**
 * Measures how much the load generator can do at all, against an answer that costs nothing, and wrk against the
 * same server in turn with it. The session gets the ceilings.
 *
 * @throws Error when the bare server does not start
 */
export async function measureGenerator(session: Session): Promise<Generator> {
  const presence = await bareAnswer.find();
  if (!presence.present) throw new Error(presence.reason);
  const server = await RunningTarget.launch({ definition: bareAnswer, presence }, session.folder, '');
  const unwatch = session.watch(server);
  try {
    await server.listening();
    const wrk = findProgram('wrk');
    const { rounds, seconds } = generatorEffort(session.plan);
    const ceilings: Generator['ceilings'] = [];
    const wrkRates: Generator['ceilings'] = [];
    const script = join(session.folder, 'wrk.lua');
    await writeFile(script, wrkScript(helloExchanges().next().body));
    for (const connections of session.plan.generatorConnections) {
      const own: number[] = [];
      const others: number[] = [];
      for (let round = 0; round < rounds; round++) {
        session.check();
        own.push(await ownRate(session, server.endpoint, connections, seconds));
        session.check();
        if (wrk !== undefined) others.push(await wrkRate(wrk, script, server.endpoint, connections, seconds));
      }
      session.check();
      const ratePerSecond = summarize(own);
      ceilings.push({ connections, ratePerSecond });
      // The best of them: a round that a neighbour slowed down says nothing about the ceiling.
      session.ceilings.set(connections, ratePerSecond.high);
      if (wrk !== undefined) wrkRates.push({ connections, ratePerSecond: summarize(others) });
    }
    return { ceilings, ...(wrk === undefined ? {} : { wrk: wrkRates }) };
  } finally {
    await server.stop();
    unwatch();
  }
}

async function ownRate(
  session: Session,
  endpoint: Endpoint,
  connections: number,
  seconds: number,
): Promise<number> {
  const load = { endpoint, connections, seconds, source: helloExchanges(), signal: session.signal };
  const { ratePerSecond, errors, example } = await closedLoop({ ...load, onAnswer: session.view.answer });
  session.check();
  if (totalErrors(errors) > 0) throw new Error(`the bare server answered wrongly: ${example ?? ''}`);
  return ratePerSecond;
}

async function wrkRate(
  wrk: string,
  script: string,
  { host, port, path }: Endpoint,
  connections: number,
  seconds: number,
): Promise<number> {
  // It takes whole seconds only.
  const duration = `${Math.max(1, Math.round(seconds))}s`;
  const options = ['-t', '1', '-c', String(connections), '-d', duration, '-s', script];
  const running = execute(wrk, [...options, `http://${host}:${port}${path}`]);
  const ended = onEnd(() => running.child.kill('SIGKILL'));
  try {
    const { stdout } = await running;
    return Number(/^Requests\/sec:\s+([\d.]+)$/m.exec(stdout)?.[1] ?? 0);
  } finally {
    ended();
  }
}

function wrkScript(body: string): string {
  return `wrk.method = "POST"\nwrk.body = '${body}'\nwrk.headers["Content-Type"] = "application/json"\n`;
}
