import type { Socket } from 'node:net';

/** So long a client may go on sending after the last answer of its connection. */
const LINGER_MS = 2000;

/**
 * Ends a connection on which a client may still be sending: the sending side first, then, when the client has ended or after
 * a moment, all of it. Closing at once would reset the connection, and the client lose the answer (RFC 9112, section 9.6).
 */
export function closeGracefully(socket: Socket): void {
  if (socket.destroyed) return;
  socket.end();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  const over = (): void => {
    clearTimeout(timer);
    socket.destroy();
  };
  socket.once('end', over);
  socket.once('close', over);
  socket.resume();
}
