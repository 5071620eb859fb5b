import { createSocket, type Socket } from 'node:dgram';
import { close, dup3, O_CLOEXEC, openSocket } from './libc.js';

const AF_INET = 2;
/** Of socket(2), with SOCK_CLOEXEC, which is the same bit as O_CLOEXEC. */
const SOCK_DGRAM = 2 | O_CLOEXEC;

/** A UDP socket's handle inside of Node; both calls return 0 or an error number. */
interface UdpHandle {
  open(fd: number): number;
  recvStart(): number;
  onmessage: () => void;
}

/**
 * Calls back on the thread's event loop as long as a descriptor is readable, once in each turn of the loop.
 *
 * The handle is one of Node's own: Node closes those when a thread ends, however it ends, before it turns the loop for
 * the last time. A handle of a native module, as koffi's `poll`, still gets its events in that turn, where no JavaScript
 * can run any more, and the module aborts the process. Node has no handle that only watches, so a UDP socket's does:
 * its descriptor's number is given to the descriptor to watch (dup2(2)). If that is readable, libuv calls recvmsg(2),
 * which fails with ENOTSOCK and changes nothing, and Node calls back with the error.
 *
 * @param fd anything that epoll(7) can watch and that is no socket
 * @returns ends the watch; the descriptor stays open
 * @throws Error if there is no socket for it
 */
export function watchReadable(fd: number, callback: () => void): () => void {
  const socket = createSocket('udp4');
  const stop = (): void => void socket.close();
  const handle = handleOf(socket);
  const number = openSocket(AF_INET, SOCK_DGRAM, 0);
  const opened = number >= 0 && handle?.open(number) === 0;
  if (number >= 0 && !opened) close(number);
  // In one turn of the loop, for libuv registers the number at its end.
  if (handle === undefined || !opened || handle.recvStart() !== 0 || dup3(fd, number, O_CLOEXEC) < 0) {
    stop();
    throw new Error('a descriptor could not be watched: no UDP socket');
  }
  handle.onmessage = callback;
  return stop;
}

/** Node keeps it under a symbol: the public calls load the module cluster, and make an error object for each event. */
function handleOf(socket: Socket): UdpHandle | undefined {
  const symbol = Object.getOwnPropertySymbols(socket).find((one) => one.description === 'state symbol');
  return symbol && (Reflect.get(socket, symbol) as { handle?: UdpHandle }).handle;
}
