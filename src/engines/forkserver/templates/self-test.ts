import { constants } from 'node:os';
import type { ActionImage } from '../../../os/action-image.js';
import { close, poll, read, wait4, write } from '../../../os/libc.js';
import { closeChildEnds, openPipes } from '../../../os/pipes.js';
import { BuildTimeoutError, UnsupportedError } from '../../errors.js';
import { recv, sendmsg, WALL } from '../../native-code/libc-calls.js';
import { hostArch } from '../arch/arch.js';
import { buildTemplate, STDIN_PATH } from '../build/build-template.js';
import type { Launcher } from '../build/launch.js';
import type { StringLayout } from '../build/string-layout.js';
import { killAndReap } from '../build/tracee.js';
import { openSocketPair } from '../ipc/channel.js';
import { REPLY_BYTES, RequestBlock, readReply } from '../ipc/request-block.js';

/** What stub/helper.c ends with. */
const EXIT_STATUS = 42;
const TIMEOUT_MS = 2000;
const POLLIN = 1;
const MAX_REPORT_BYTES = 65_536;
const LAYOUT: StringLayout = {
  names: ['SELF_TEST', 'SECOND'],
  argumentCapacityBytes: 4096,
  variablesCapacityBytes: 1024,
};
const FOLDER = '/';

/**
 * Clones a program of our own twice, and compares everything that a process can tell about itself with what a spawned
 * one would have told. Blocks for some milliseconds.
 *
 * @throws UnsupportedError naming the first thing that is not as it must be
 */
export function runSelfTest(launcher: Launcher): void {
  const arch = hostArch();
  const pair = openSocketPair();
  if (arch === undefined) throw new UnsupportedError(`there is no code for the processor ${process.arch}`);
  if (pair === undefined) throw new BuildTimeoutError('there are no descriptors for the self-test');
  const [ours, theirs] = pair;
  const action: ActionImage = {
    exec: STDIN_PATH,
    folder: FOLDER,
    environment: [Buffer.from('OF_THE_ACTION=x')],
  };
  let pid: number | undefined;
  try {
    const built = buildTemplate(launcher, arch, {
      ...{ action, layout: LAYOUT, socket: theirs },
      isSelfTest: true,
      program: launcher.helper,
    });
    pid = built.pid;
    if (built.retryReason !== undefined) throw new BuildTimeoutError(built.freezePointReason);
    if (built.freezePoint !== 'entry') throw new UnsupportedError(built.freezePointReason);
    const first = runOnce(ours, action, 'exits', '1');
    const second = runOnce(ours, action, 'signalled', 'two'.repeat(50));
    requireEqual('exit status', first.status, EXIT_STATUS << 8);
    requireEqual('signal', second.status, constants.signals.SIGTERM);
    if (first.random === second.random) throw new UnsupportedError('two clones have the same random bytes');
  } finally {
    close(ours);
    close(theirs);
    if (pid !== undefined) killAndReap(pid);
  }
}

interface Run {
  readonly status: number;
  readonly random: string;
}

const block = new RequestBlock();

function runOnce(socket: number, action: ActionImage, argument: string, value: string): Run {
  const pipes = openPipes();
  if (typeof pipes === 'number') throw new BuildTimeoutError('there are no descriptors for the self-test');
  const input = Buffer.from('of stdin');
  write(pipes.stdin, input, input.length);
  close(pipes.stdin);
  try {
    const variables = [['SELF_TEST', value] as const, ['SECOND', ''] as const];
    const message = block.encodeRun(1, LAYOUT, Buffer.from(argument), variables, pipes.child);
    if (message === undefined || sendmsg(socket, message, 0) < 0)
      throw new UnsupportedError('sendmsg failed');
    closeChildEnds(pipes);
    const reply = readReply(receive(socket));
    if (reply.error !== 0) throw new UnsupportedError(`a clone could not begin (error ${reply.error})`);
    const report = readAll(pipes.stdout);
    const status = new Int32Array(1);
    if (wait4(reply.pid, status, WALL, null) !== reply.pid)
      throw new UnsupportedError('a clone is not our child');
    compare(report, reply.pid, action, argument, value);
    return { status: status[0] as number, random: numberIn(report, 'random') };
  } finally {
    close(pipes.stdout);
    close(pipes.stderr);
  }
}

function compare(report: Buffer, pid: number, action: ActionImage, argument: string, value: string): void {
  const number = (name: string): number => Number.parseInt(numberIn(report, name), 16);
  requireEqual('process id', number('pid'), pid);
  requireEqual('parent', number('parent'), process.pid);
  requireEqual('process group', number('group'), pid);
  requireEqual('thread id', number('thread'), pid);
  requireEqual('blocked signals', numberIn(report, 'blocked'), '0'.repeat(16));
  requireEqual('changed signals', numberIn(report, 'changed'), '0'.repeat(16));
  requireEqual('descriptors', number('descriptors'), 0b111);
  const strings = `${action.exec}\0${argument}\0`;
  const environment = `SELF_TEST=${value}\0SECOND=\0${action.environment[0]?.toString()}\0`;
  requireEqual('arguments', textIn(report, 'arguments'), strings);
  requireEqual('environment', textIn(report, 'environment'), environment);
  requireEqual('/proc/self/cmdline', textIn(report, 'cmdline'), strings);
  requireEqual('/proc/self/environ', textIn(report, 'environ'), environment);
  requireEqual('standard input', textIn(report, 'stdin'), 'of stdin');
}

function requireEqual(what: string, found: unknown, wanted: unknown): void {
  if (found !== wanted)
    throw new UnsupportedError(
      `self-test: ${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`,
    );
}

/** The hexadecimal number on the line that begins with the name. */
function numberIn(report: Buffer, name: string): string {
  return new RegExp(`(?:^|\\n|\\0)${name} ([0-9a-f]{16})\\n`).exec(report.toString('latin1'))?.[1] ?? '';
}

/** What follows that line, as long as it says. */
function textIn(report: Buffer, name: string): string {
  const line = `${name} ${numberIn(report, name)}\n`;
  const at = report.indexOf(line) + line.length;
  return report.toString('utf8', at, at + Number.parseInt(numberIn(report, name), 16));
}

function receive(socket: number): Buffer {
  const bytes = Buffer.alloc(REPLY_BYTES);
  waitUntilReadable(socket);
  if (recv(socket, bytes, REPLY_BYTES, 0) !== REPLY_BYTES) throw new UnsupportedError('the template ended');
  return bytes;
}

function readAll(fd: number): Buffer {
  const bytes = Buffer.alloc(MAX_REPORT_BYTES);
  for (let length = 0; ; ) {
    waitUntilReadable(fd);
    const count = read(fd, bytes.subarray(length), MAX_REPORT_BYTES - length);
    if (count <= 0) return bytes.subarray(0, length);
    length += count;
  }
}

function waitUntilReadable(fd: number): void {
  const wanted = Buffer.alloc(8);
  wanted.writeInt32LE(fd, 0);
  wanted.writeInt16LE(POLLIN, 4);
  if (poll(wanted, 1, TIMEOUT_MS) !== 1) throw new BuildTimeoutError('a clone does not answer');
}
