import { constants } from 'node:os';
import { close, errno } from '../../../os/libc.js';
import { READABLE, type Reactor, type Watch } from '../../../os/reactor.js';
import { type ResourceTable, STDIN } from '../../../shared-memory/resource-table.js';
import {
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  recv,
  SOCK_CLOEXEC,
  SOCK_SEQPACKET,
  sendmsg,
  socketpair,
} from '../../native-code/libc-calls.js';
import type { Channels } from './channels.js';
import { REPLY_BYTES, type Reply, readReply } from './request-block.js';

/** Gets what comes out of a channel. */
interface ChannelObserver {
  reply(reply: Reply): void;
  /** Nobody holds the other end any more, and all replies have been told. */
  ended(): void;
}

/** What all channels of a thread share. */
interface ChannelContext {
  readonly reactor: Reactor;
  readonly resourceTable: ResourceTable;
  readonly channels: Channels;
}

const ends = new Int32Array(2);
const bytes = Buffer.alloc(REPLY_BYTES);

/** @returns our end and the other one, both closed on exec; undefined where there are no descriptors */
export function openSocketPair(): readonly [ours: number, theirs: number] | undefined {
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) !== 0) return undefined;
  return [ends[0] as number, ends[1] as number];
}

/** Our end of a socket to a template or to a prewarmed clone. The resource table knows it: closing it ends them. */
export class Channel {
  readonly fd: number;
  readonly #reactor: Reactor;
  readonly #observer: ChannelObserver;
  readonly #resourceTable: ResourceTable;
  readonly #channels: Channels;
  readonly #entry: number;
  #watch: Watch | undefined;

  constructor(fd: number, { reactor, resourceTable, channels }: ChannelContext, observer: ChannelObserver) {
    this.fd = fd;
    this.#reactor = reactor;
    this.#observer = observer;
    this.#resourceTable = resourceTable;
    this.#channels = channels;
    this.#entry = resourceTable.open();
    resourceTable.set(this.#entry, STDIN, fd + 1);
    this.#watch = reactor.add(fd, READABLE, () => this.read());
    channels.add(this);
  }

  get open(): boolean {
    return this.#watch !== undefined;
  }

  /** Sends a message, at the address of its struct msghdr; false when the socket is full or nobody is there. */
  send(message: bigint): boolean {
    return sendmsg(this.fd, message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
  }

  /** Closes it; nothing is told after that. */
  close(): void {
    if (this.#watch === undefined) return;
    this.#reactor.remove(this.#watch);
    this.#watch = undefined;
    this.#channels.remove(this);
    this.#resourceTable.clear(this.#entry, STDIN);
    this.#resourceTable.close(this.#entry);
    close(this.fd);
  }

  /** Tells what has come until now. */
  read(): void {
    while (this.#watch !== undefined) {
      const count = recv(this.fd, bytes, REPLY_BYTES, MSG_DONTWAIT);
      if (count === REPLY_BYTES) {
        this.#observer.reply(readReply(bytes));
        continue;
      }
      const error = count < 0 ? errno() : 0;
      if (error === constants.errno.EAGAIN || error === constants.errno.EINTR) return;
      // Told once, and before what is still in the queue (unix(7)).
      if (error === constants.errno.ECONNRESET) continue;
      this.close();
      this.#observer.ended();
    }
  }
}
