import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compileAction } from '../support/run-programs.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { childrenOf, end, isAlive, stateOf, until } from '../support/waiting.js';

/** Field 4 of proc(5)'s stat. */
function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

function zombiesOf(pid: number): number[] {
  return childrenOf(pid).filter((child) => stateOf(child) === 'Z');
}

describe.each(ENGINES)('what actions leave behind (%s)', (engine) => {
  let server: RunServer;

  beforeEach(async () => {
    server = await RunServer.start({ engine });
  });
  afterEach(() => server.stop());

  it('C-SRV-13: daemons come to the server and are reaped when they end', async () => {
    await server.installProgram(await compileAction('daemonize'));
    const answers = await Promise.all(Array.from({ length: 10 }, () => server.run()));
    const daemons = answers.map(({ body }) => (JSON.parse(body.toString()) as { daemon: number }).daemon);
    // C-RUN-25: they live on.
    for (const daemon of daemons) expect([isAlive(daemon), parentOf(daemon)]).toEqual([true, server.pid]);
    for (const daemon of daemons) end(daemon);
    await until('all are reaped', () => daemons.every((daemon) => stateOf(daemon) === undefined));
    expect(zombiesOf(server.pid)).toEqual([]);
  });

  it('C-SRV-13: orphans that end during and after runs leave no zombies, and take no run’s exit', async () => {
    // Each run leaves one that has ended by the time it is looked for, and one that soon will.
    await server.install(
      '#!/bin/sh\nsh -c "true & sleep 0.05 >/dev/null 2>&1 &" >/dev/null 2>&1\necho "[$$]"\nexit 7\n',
    );
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all(Array.from({ length: 8 }, () => server.run()));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      expect(new Set(answers.map(({ body }) => body.toString())).size).toBe(8);
    }
    await until('no child is left', () => childrenOf(server.pid).length === 0);
  });
});
