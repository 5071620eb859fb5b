import { constants } from 'node:os';
import koffi from 'koffi';

/**
 * The calls into the C library (glibc) that supervise processes, each as in its man page. They run on the
 * calling thread and return at once: none of them may be given a descriptor that would block it.
 */

const libc = koffi.load('libc.so.6');

/** pipe(2). */
export const pipe2 = libc.func('int pipe2(void *ends, int flags)') as (
  ends: Int32Array,
  flags: number,
) => number;
/** dup3(2). */
export const dup3 = libc.func('int dup3(int from, int to, int flags)') as (
  from: number,
  to: number,
  flags: number,
) => number;
/** socket(2). */
export const openSocket = libc.func('int socket(int domain, int type, int protocol)') as (
  domain: number,
  type: number,
  protocol: number,
) => number;
/** close(2). */
export const close = libc.func('int close(int fd)') as (fd: number) => number;
/** read(2); a count below 2 GiB fits an int. */
export const read = libc.func('int read(int fd, void *buffer, size_t count)') as (
  fd: number,
  buffer: Buffer,
  count: number,
) => number;
/** pread(2); a count below 2 GiB fits an int. */
const pread = libc.func('int pread(int fd, void *buffer, size_t count, long offset)') as (
  fd: number,
  buffer: Buffer,
  count: number,
  offset: number,
) => number;

/** {@link pread} from the start of a file: of one in /proc that tells what is so now. */
export const readFromStart = (fd: number, into: Buffer): number => pread(fd, into, into.length, 0);
/** write(2); a count below 2 GiB fits an int. */
export const write = libc.func('int write(int fd, void *buffer, size_t count)') as (
  fd: number,
  buffer: Uint8Array,
  count: number,
) => number;
const send = libc.func('long send(int fd, void *buffer, size_t count, int flags)') as (
  fd: number,
  buffer: Uint8Array,
  count: number,
  flags: number,
) => number;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** send(2), which returns EAGAIN where it would wait, whatever mode the socket is in. */
export function sendWithoutWaiting(fd: number, bytes: Uint8Array): number {
  return Number(send(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/** pwritev2(2); an offset of -1 is the file's own position. */
export const pwritev2 = libc.func(
  'long pwritev2(int fd, uintptr_t vectors, int count, long offset, int flags)',
) as (fd: number, vectors: bigint, count: number, offset: number, flags: number) => number;
/** Returns EAGAIN where it would wait; EOPNOTSUPP for a pipe before Linux 6.4. */
export const RWF_NOWAIT = 8;
/** fcntl(2) with an int argument. */
export const fcntl = libc.func('int fcntl(int fd, int command, int argument)') as (
  fd: number,
  command: number,
  argument: number,
) => number;
/** poll(2). */
export const poll = libc.func('int poll(void *fds, unsigned long count, int timeoutMs)') as (
  fds: Buffer,
  count: number,
  timeoutMs: number,
) => number;
const ioctl = libc.func('int ioctl(int fd, unsigned long request, void *argument)') as (
  fd: number,
  request: number,
  argument: Int32Array,
) => number;
const FIONREAD = 0x541b;
const count = new Int32Array(1);

/** How many bytes a pipe holds that nobody has read (ioctl_tty(2), FIONREAD; either end may ask). */
export function unreadBytesIn(fd: number): number {
  return ioctl(fd, FIONREAD, count) === 0 ? (count[0] as number) : 0;
}

/** getpgid(2). */
export const getpgid = libc.func('int getpgid(int pid)') as (pid: number) => number;
/** kill(2). */
export const kill = libc.func('int kill(int pid, int signal)') as (pid: number, signal: number) => number;
/** sigaction(2); the actions are of glibc's struct sigaction. */
export const sigaction = libc.func('int sigaction(int signal, void *next, void *previous)') as (
  signal: number,
  next: Buffer | null,
  previous: Buffer | null,
) => number;
const rawSigaction = libc.func(
  'long syscall(long number, long signal, void *next, void *previous, size_t setBytes)',
) as (
  number: number,
  signal: number,
  next: Buffer | null,
  previous: Buffer | null,
  setBytes: number,
) => number;
const RT_SIGACTION = process.arch === 'x64' ? 13 : 134;
const KERNEL_SIGNAL_SET_BYTES = 8;

/** rt_sigaction(2) itself, for the two signals that the C library keeps for itself; the actions are the kernel's. */
export function kernelSigaction(signal: number, next: Buffer | null, previous: Buffer | null): number {
  return Number(rawSigaction(RT_SIGACTION, signal, next, previous, KERNEL_SIGNAL_SET_BYTES));
}

/** Where a function of the C library is. */
export const functionAddress = (name: string): bigint => koffi.address(libc.symbol(name));

/** wait4(2). */
export const wait4 = libc.func('int wait4(int pid, void *status, int options, void *usage)') as (
  pid: number,
  status: Int32Array,
  options: number,
  usage: Buffer | null,
) => number;
/** waitid(2), which tells in a siginfo_t. */
export const waitid = libc.func('int waitid(int which, int id, void *info, int options)') as (
  which: number,
  id: number,
  info: Int32Array,
  options: number,
) => number;
/** prctl(2) with one argument. */
export const prctl = libc.func('int prctl(int option, unsigned long argument)') as (
  option: number,
  argument: number,
) => number;
/** prlimit(2). */
export const prlimit = libc.func('int prlimit(int pid, int resource, void *next, void *previous)') as (
  pid: number,
  resource: number,
  next: BigUint64Array | null,
  previous: BigUint64Array | null,
) => number;
/** epoll_create1(2). */
export const epollCreate = libc.func('int epoll_create1(int flags)') as (flags: number) => number;
/** epoll_ctl(2). */
export const epollControl = libc.func('int epoll_ctl(int epfd, int op, int fd, void *event)') as (
  epfd: number,
  op: number,
  fd: number,
  event: Buffer | null,
) => number;
/** epoll_wait(2). */
export const epollWait = libc.func('int epoll_wait(int epfd, void *events, int max, int timeoutMs)') as (
  epfd: number,
  events: Buffer,
  max: number,
  timeoutMs: number,
) => number;

/** fchown(2). */
export const fchown = libc.func('int fchown(int fd, unsigned int owner, unsigned int group)') as (
  fd: number,
  owner: number,
  group: number,
) => number;
/** setfsuid(2), of the calling thread alone; answers the former one. */
export const setfsuid = libc.func('int setfsuid(unsigned int user)') as (user: number) => number;
/** setfsgid(2), of the calling thread alone; answers the former one. */
export const setfsgid = libc.func('int setfsgid(unsigned int group)') as (group: number) => number;
/** setgroups(2) by its number: of the calling thread alone, where the C library's changes all threads. */
export const setThreadGroups = libc.func('long syscall(long number, size_t count, void *groups)') as (
  number: number,
  count: number,
  groups: Uint32Array,
) => number;

const syscall = libc.func('long syscall(long number, long first, long second)') as (
  number: number,
  first: number,
  second: number,
) => number;
const PIDFD_OPEN = 434;
const PIDFD_SEND_SIGNAL = 424;
const syscall4 = libc.func(
  'long syscall(long number, long first, long second, void *third, long fourth)',
) as (number: number, first: number, second: number, third: null, fourth: number) => number;

/** pidfd_open(2), by number: the C library has no wrapper before 2.36. The descriptor is closed on exec. */
export function pidfdOpen(pid: number): number {
  return Number(syscall(PIDFD_OPEN, pid, 0));
}

/** pidfd_send_signal(2), by number: the C library has no wrapper before 2.36. */
export function pidfdSendSignal(pidfd: number, signal: number): number {
  return Number(syscall4(PIDFD_SEND_SIGNAL, pidfd, signal, null, 0));
}

/** posix_spawn(3) and what prepares it; argv and envp are addresses of pointer arrays. */
export const spawn = {
  posixSpawn: libc.func(
    'int posix_spawn(void *pid, const char *path, void *actions, void *attributes, uintptr_t argv, uintptr_t envp)',
  ) as (
    pid: Int32Array,
    path: string,
    actions: Buffer,
    attributes: Buffer,
    argv: bigint,
    envp: bigint,
  ) => number,
  actionsInit: libc.func('int posix_spawn_file_actions_init(void *actions)') as (actions: Buffer) => number,
  actionsDestroy: libc.func('int posix_spawn_file_actions_destroy(void *actions)') as (
    actions: Buffer,
  ) => number,
  actionsDup2: libc.func('int posix_spawn_file_actions_adddup2(void *actions, int fd, int target)') as (
    actions: Buffer,
    fd: number,
    target: number,
  ) => number,
  actionsChdir: libc.func('int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)') as (
    actions: Buffer,
    path: string,
  ) => number,
  actionsCloseFrom: libc.func('int posix_spawn_file_actions_addclosefrom_np(void *actions, int from)') as (
    actions: Buffer,
    from: number,
  ) => number,
  attributesInit: libc.func('int posix_spawnattr_init(void *attributes)') as (attributes: Buffer) => number,
  attributesFlags: libc.func('int posix_spawnattr_setflags(void *attributes, short flags)') as (
    attributes: Buffer,
    flags: number,
  ) => number,
  attributesDefaults: libc.func('int posix_spawnattr_setsigdefault(void *attributes, void *signals)') as (
    attributes: Buffer,
    signals: Buffer,
  ) => number,
  attributesMask: libc.func('int posix_spawnattr_setsigmask(void *attributes, void *signals)') as (
    attributes: Buffer,
    signals: Buffer,
  ) => number,
};

/** Memory of the C library's, with a known address. It is never freed: callers keep it for good. */
export function nativeMemory(sizeBytes: number): { address: bigint; bytes: Buffer } {
  const pointer = allocate(sizeBytes);
  return { address: koffi.address(pointer), bytes: Buffer.from(koffi.view(pointer, sizeBytes)) };
}
const allocate = libc.func('void *malloc(size_t size)') as (size: number) => unknown;

/** Frees what {@link nativeMemory} gave, after its last use. */
export const freeAddress = libc.func('void free(uintptr_t address)') as (address: bigint) => void;

/** The error number of this thread's last call that failed (errno(3)). */
export function errno(): number {
  return koffi.errno();
}

/** Second names of numbers that have two on Linux (errno(3)); Node and libuv report the other one. */
const SECOND_NAMES: ReadonlySet<string> = new Set(['EWOULDBLOCK', 'EOPNOTSUPP', 'EDEADLOCK']);
const NAMES = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => !SECOND_NAMES.has(name))
    .map(([name, number]) => [number, name]),
);

/** The name of an error number, as `ENOENT`; of two names for one number the one that Node uses, as `EAGAIN`. */
export function errnoName(number: number): string {
  return NAMES.get(number) ?? `E${number}`;
}

export const O_CLOEXEC = 0o2000000;
/** fcntl(2): a copy of a descriptor, of at least that number, closed on exec. */
export const F_DUPFD_CLOEXEC = 1030;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const O_NONBLOCK = 0o4000;

/** _exit(2): ends the process with all its threads, and runs nothing of them before. */
export const exitImmediately = libc.func('void _exit(int status)') as (status: number) => void;

const CLOCK_MONOTONIC = 1;
const SIGEV_SIGNAL = 0;
const SIGEVENT_BYTES = 64;

/**
 * A timer of the kernel's that sends this process SIGKILL after some milliseconds (timer_create(2), timer_settime(2)).
 *
 * @throws Error where the C library has no such functions in libc.so (before 2.34)
 */
export function scheduleSelfKill(ms: number): void {
  const create = libc.func('int timer_create(int clock, void *event, void *timer)');
  const setTime = libc.func('int timer_settime(uintptr_t timer, int flags, void *next, void *previous)');
  const event = Buffer.alloc(SIGEVENT_BYTES);
  event.writeInt32LE(constants.signals.SIGKILL, 8);
  event.writeInt32LE(SIGEV_SIGNAL, 12);
  const timer = Buffer.alloc(8);
  if (create(CLOCK_MONOTONIC, event, timer) !== 0) return;
  const next = Buffer.alloc(32);
  next.writeBigInt64LE(BigInt(Math.floor(ms / 1000)), 16);
  next.writeBigInt64LE(BigInt(ms % 1000) * 1_000_000n, 24);
  setTime(timer.readBigUInt64LE(0), 0, next, null);
}
