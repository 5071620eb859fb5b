import { readFileSync } from 'node:fs';
import { messageOf } from '../../../protocol/message-of.js';

/** Why the engine can't be had here, for the operator: what was seen, and what it comes from where that is known. */
export function explainUnavailability(error: unknown): string {
  const message = messageOf(error);
  const cause = causeOf(message);
  return cause === undefined ? message : `${message} (${cause})`;
}

function causeOf(message: string): string | undefined {
  if (message.startsWith('ptrace')) return ptraceCause();
  if (message.includes('memfd_create') || message.includes("the helper can't"))
    return 'programs in memory may not be executed here: see vm.memfd_noexec';
  if (message.includes('self-test: parent'))
    return 'clones get the template as their parent: gVisor does not know CLONE_PARENT';
  if (message.includes('a clone could not begin'))
    return 'prctl PR_SET_MM_MAP is refused: by the profile, or the kernel lacks CONFIG_CHECKPOINT_RESTORE';
  return undefined;
}

function ptraceCause(): string {
  const scope = read('/proc/sys/kernel/yama/ptrace_scope');
  if (scope !== undefined && Number(scope) >= 2)
    return `Yama's kernel.yama.ptrace_scope is ${scope.trim()}, which allows it to nobody without CAP_SYS_PTRACE`;
  if (/^Seccomp:\t2$/m.test(read('/proc/self/status') ?? ''))
    return 'the seccomp profile of this container refuses ptrace(2): see docs/internals/engines.md';
  return 'a security module or a sandbox refuses ptrace(2): see docs/internals/engines.md';
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
