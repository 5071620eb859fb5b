import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { processTree, treePssBytes } from '../../bench/support/processes.js';

const MB = 1_000_000;
const FILLED_MB = 60;

/** Holds memory that it shares with a fork of itself, which has not called exec. */
const FORKING = `
import os, sys
filled = bytearray(b'x' * ${FILLED_MB * MB})
if os.fork() != 0:
    print('ready', flush=True)
sys.stdin.read()
`;

/** Starts a process from a thread that is not the first. */
const THREADED = `
const { Worker } = require('node:worker_threads');
new Worker("require('node:child_process').spawn('sleep', ['60']).on('spawn', () => console.log('ready'))", { eval: true });
`;

describe('a process tree', () => {
  let root: ChildProcess | undefined;

  /** Starts a program in a group of its own and waits until it says that it is ready. */
  async function start(command: string, ...args: string[]): Promise<number> {
    root = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
    await once(root.stdout as Readable, 'data');
    return root.pid as number;
  }

  afterEach(async () => {
    if (root?.pid === undefined) return;
    const exited = once(root, 'exit');
    process.kill(-root.pid, 'SIGKILL');
    await exited;
  });

  it('has what any thread has started', async () => {
    const pid = await start(process.execPath, '-e', THREADED);
    expect(processTree(pid)).toHaveLength(2);
  });

  it('counts memory that a fork shares once', async () => {
    const pid = await start('python3', '-c', FORKING);
    expect(processTree(pid)).toHaveLength(2);
    expect(treePssBytes(pid)).toBeGreaterThan(FILLED_MB * MB);
    expect(treePssBytes(pid)).toBeLessThan(2 * FILLED_MB * MB);
  });
});
