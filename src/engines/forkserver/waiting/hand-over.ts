import { close, errno, errnoName, openSocket } from '../../../os/libc.js';
import { UnsupportedError } from '../../errors.js';
import {
  AF_UNIX,
  accept4,
  bind,
  getsockname,
  getsockopt,
  listen,
  SO_PEERCRED,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOL_SOCKET,
} from '../../native-code/libc-calls.js';
import type { Arch } from '../arch/arch.js';
import type { Tracee } from '../build/tracee.js';

/** struct sockaddr_un (unix(7)); with its family only, bind(2) chooses an abstract name. */
const ADDRESS_BYTES = 110;
const FAMILY_BYTES = 2;

/** A connection between a stopped process and this thread. */
export interface HandedOver {
  /** Its number in the process. */
  readonly theirs: number;
  readonly ours: number;
}

/**
 * Connects a stopped process with this thread by a socket, which it did not have while it ran.
 *
 * It is connected to a name of the moment, and who has connected is asked of the kernel: nobody else gets in between.
 *
 * @param scratch memory of the process that may be written
 */
export function connectProcess(tracee: Tracee, arch: Arch, scratch: bigint): HandedOver {
  const listener = openSocket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) throw new UnsupportedError(`socket: ${errnoName(errno())}`);
  try {
    const address = nameOf(listener);
    tracee.write(scratch, address);
    const { socket, connect } = arch.injected;
    const theirs = tracee.injectSyscall(socket, [BigInt(AF_UNIX), BigInt(SOCK_SEQPACKET | SOCK_CLOEXEC), 0n]);
    if (theirs < 0n) throw new UnsupportedError(`socket failed in it (${theirs})`);
    const refused = tracee.injectSyscall(connect, [theirs, scratch, BigInt(address.length)]);
    if (refused !== 0n) throw new UnsupportedError(`connect failed in it (${refused})`);
    tracee.write(scratch, Buffer.alloc(address.length));
    return { theirs: Number(theirs), ours: acceptFrom(listener, tracee.pid) };
  } finally {
    close(listener);
  }
}

function nameOf(listener: number): Buffer {
  const address = Buffer.alloc(ADDRESS_BYTES);
  address.writeUInt16LE(AF_UNIX);
  const bytes = Uint32Array.of(ADDRESS_BYTES);
  if (
    bind(listener, address, FAMILY_BYTES) !== 0 ||
    listen(listener, 1) !== 0 ||
    getsockname(listener, address, bytes) !== 0
  )
    throw new UnsupportedError(`a socket can't be bound: ${errnoName(errno())}`);
  return address.subarray(0, bytes[0]);
}

/** Others that have found the name are turned away. */
function acceptFrom(listener: number, pid: number): number {
  for (;;) {
    const fd = accept4(listener, null, null, SOCK_CLOEXEC);
    if (fd < 0) throw new UnsupportedError(`it did not connect (${errnoName(errno())})`);
    const credentials = new Int32Array(3);
    const bytes = Uint32Array.of(credentials.byteLength);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, bytes) === 0 && credentials[0] === pid)
      return fd;
    close(fd);
  }
}
