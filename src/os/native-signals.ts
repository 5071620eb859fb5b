import { constants } from 'node:os';
import { functionAddress, kernelSigaction, sigaction } from './libc.js';

/** glibc's struct sigaction, whose first member is the handler: 152 bytes on x86-64 and arm64. */
const SIGACTION_BYTES = 160;
const SIG_IGN = 1n;
/** Only the kernel raises them; with the handler of a program a fault would come again and again. */
const FAULTS = ['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGTRAP'] as const;
/** Real-time signals that glibc uses among threads, and refuses to others (signal(7)). */
const INTERNAL = [32, 33];
/** Room for the kernel's own struct of an action. */
const KERNEL_SIGACTION_BYTES = 64;
const FIRST_REAL_TIME = 34;
const LAST_REAL_TIME = 64;
/** sa_flags of sigaction(2), behind a mask of 128 bytes. */
const FLAGS_OFFSET = 8 + 128;
const SA_RESTART = 0x10000000;

/**
 * Sets what JavaScript can't: signals that another process sends do not end the server.
 *
 * Faults are ignored: the kernel ends a process for one of its own all the same (it resets an ignored signal that a fault
 * raises to its default), and drops what kill(2) sends. Real-time signals get a handler that does nothing: ignored they
 * would stay so in children of Node's own spawn, which resets the first 31 only.
 */
export function ignoreOtherSignals(): void {
  const ignore = actionOf(SIG_IGN);
  for (const name of FAULTS) sigaction(constants.signals[name], ignore, null);
  // abs(3) is async-signal-safe and has no effect.
  const nothing = actionOf(functionAddress('abs'));
  nothing.writeInt32LE(SA_RESTART, FLAGS_OFFSET);
  for (let signal = FIRST_REAL_TIME; signal <= LAST_REAL_TIME; signal++) sigaction(signal, nothing, null);
  for (const signal of INTERNAL) handleAs(FIRST_REAL_TIME, signal);
}

/** Gives a signal of the C library's own the handler of another signal, unless the library has set one. */
function handleAs(model: number, signal: number): void {
  const action = Buffer.alloc(KERNEL_SIGACTION_BYTES);
  if (kernelSigaction(signal, null, action) !== 0 || action.readBigUInt64LE(0) !== 0n) return;
  if (kernelSigaction(model, null, action) === 0) kernelSigaction(signal, action, null);
}

/** Has the kernel drop a signal. @returns what takes it up again */
export function suspend(signal: number): () => void {
  const before = Buffer.alloc(SIGACTION_BYTES);
  sigaction(signal, actionOf(SIG_IGN), before);
  return () => sigaction(signal, before, null);
}

function actionOf(handler: bigint): Buffer {
  const action = Buffer.alloc(SIGACTION_BYTES);
  action.writeBigUInt64LE(handler, 0);
  return action;
}
