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
/** close(2). */
export const close = libc.func('int close(int fd)') as (fd: number) => number;
/** read(2); a count below 2 GiB fits an int. */
export const read = libc.func('int read(int fd, void *buffer, size_t count)') as (
  fd: number,
  buffer: Buffer,
  count: number,
) => number;
/** pread(2); a count below 2 GiB fits an int. */
export const pread = libc.func('int pread(int fd, void *buffer, size_t count, long offset)') as (
  fd: number,
  buffer: Buffer,
  count: number,
  offset: number,
) => number;
/** write(2); a count below 2 GiB fits an int. */
export const write = libc.func('int write(int fd, void *buffer, size_t count)') as (
  fd: number,
  buffer: Uint8Array,
  count: number,
) => number;
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
export function unreadIn(fd: number): number {
  return ioctl(fd, FIONREAD, count) === 0 ? (count[0] as number) : 0;
}

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

/** pidfd_open(2), by number: the C library has no wrapper before 2.36. The descriptor is closed on exec. */
export function pidfdOpen(pid: number): number {
  return Number(syscall(PIDFD_OPEN, pid, 0));
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

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** The name of an error number, as `ENOENT`. */
export function errnoName(number: number): string {
  return NAMES.get(number) ?? `E${number}`;
}

/** Calls back when the descriptor is readable, on the thread's event loop; closing the handle ends it. */
export const pollReadable = (fd: number, callback: () => void): { close(): void } =>
  koffi.node.poll(fd, { readable: true }, callback);

export const O_CLOEXEC = 0o2000000;
/** fcntl(2): a copy of a descriptor, of at least that number, closed on exec. */
export const F_DUPFD_CLOEXEC = 1030;
export const F_SETFL = 4;
export const O_NONBLOCK = 0o4000;
