import koffi from 'koffi';

/** The calls into the C library that only this engine needs, each as in its man page. */

const libc = koffi.load('libc.so.6');

/** ptrace(2); addresses and data are numbers or addresses, as the request has it. */
export const ptrace = libc.func('long ptrace(long request, long pid, uintptr_t address, uintptr_t data)') as (
  request: number,
  pid: number,
  address: bigint | number,
  data: bigint | number,
) => number | bigint;
/** socketpair(2). */
export const socketpair = libc.func('int socketpair(int domain, int type, int protocol, void *ends)') as (
  domain: number,
  type: number,
  protocol: number,
  ends: Int32Array,
) => number;
/** bind(2). */
export const bind = libc.func('int bind(int fd, void *address, unsigned int bytes)') as (
  fd: number,
  address: Buffer,
  bytes: number,
) => number;
/** getsockname(2). */
export const getsockname = libc.func('int getsockname(int fd, void *address, void *bytes)') as (
  fd: number,
  address: Buffer,
  bytes: Uint32Array,
) => number;
/** listen(2). */
export const listen = libc.func('int listen(int fd, int backlog)') as (fd: number, backlog: number) => number;
/** accept4(2), without the peer's address. */
export const accept4 = libc.func('int accept4(int fd, void *address, void *bytes, int flags)') as (
  fd: number,
  address: null,
  bytes: null,
  flags: number,
) => number;
/** getsockopt(2). */
export const getsockopt = libc.func(
  'int getsockopt(int fd, int level, int option, void *value, void *bytes)',
) as (fd: number, level: number, option: number, value: Int32Array, bytes: Uint32Array) => number;
/** sendmsg(2); the message is an address. */
export const sendmsg = libc.func('int sendmsg(int fd, uintptr_t message, int flags)') as (
  fd: number,
  message: bigint,
  flags: number,
) => number;
/** recv(2). */
export const recv = libc.func('int recv(int fd, void *buffer, size_t count, int flags)') as (
  fd: number,
  buffer: Buffer,
  count: number,
  flags: number,
) => number;
/** shutdown(2). */
export const shutdown = libc.func('int shutdown(int fd, int how)') as (fd: number, how: number) => number;
/** memfd_create(2). */
export const memfdCreate = libc.func('int memfd_create(const char *name, unsigned int flags)') as (
  name: string,
  flags: number,
) => number;
/** getxattr(2), for the size of an attribute only. */
export const attributeSize = libc.func(
  'int getxattr(const char *path, const char *name, void *value, size_t size)',
) as (path: string, name: string, value: null, size: 0) => number;
/** statx(2). */
export const statx = libc.func(
  'int statx(int folder, void *path, int flags, unsigned int mask, void *result)',
) as (folder: number, path: Buffer, flags: number, mask: number, result: Buffer) => number;

/** sched_getattr(2), by its number: the C library has no wrapper before 2.41. */
export const schedGetattr = libc.func(
  'long syscall(long number, long pid, void *attributes, long size, long flags)',
) as (number: number, pid: number, attributes: Buffer, size: number, flags: number) => number;
/** sched_getaffinity(2), by its number: the C library's does not say how many bytes there are. */
export const schedGetaffinity = libc.func('long syscall(long number, long pid, long size, void *mask)') as (
  number: number,
  pid: number,
  size: number,
  mask: Buffer,
) => number;
/** ioprio_get(2), by its number: the C library has no wrapper. */
export const ioprioGet = libc.func('long syscall(long number, long which, long who)') as (
  number: number,
  which: number,
  who: number,
) => number;

/** Socket constants of socket(2) and unix(7). */
export const AF_UNIX = 1;
export const SOCK_SEQPACKET = 5;
export const SOCK_CLOEXEC = 0o2000000;
export const SOCK_NONBLOCK = 0o4000;
export const SOL_SOCKET = 1;
export const SO_PEERCRED = 17;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const SHUT_RD = 0;
export const WALL = 0x40000000;
export const WNOHANG = 1;
