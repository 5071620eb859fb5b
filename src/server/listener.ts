import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer, isIP, isIPv6 } from 'node:net';
import { type Server, compressors as uWebSockets } from 'hyper-express';

/** Where a server listens. */
export interface ListenAddress {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
}

type Socket = NonNullable<Parameters<Server['close']>[0]>;
/** App.listen of uWebSockets.js with a host and options, which its types do not have together. */
type Listen = (host: string, port: number, options: number, done: (socket: Socket | false) => void) => void;

/** Without SO_REUSEPORT (socket(7)): with it any process of the same user could take a share of the connections. */
const LIBUS_LISTEN_EXCLUSIVE_PORT = 1;
const ALL_IPV6 = '::';
const ALL_IPV4 = '0.0.0.0';
/** Attempts to find a port that is free at every address. */
const MAX_FREE_PORT_ATTEMPTS = 20;
/** Errors of bind(2) and socket(2) that say that the system has no such address. */
const NO_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

/** What {@link Listener.listen} is to listen on. */
export interface ListenRequest {
  /** IP addresses and host names. */
  readonly hosts: readonly string[];
  /** 0 takes one that is free at every address. */
  readonly port: number;
  /** Whether an address that the system does not have is left out, as long as another one is there. */
  readonly skipsMissing: boolean;
}

/** The sockets that one HTTP server listens on, none of which another process can listen on too. */
export class Listener {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];

  /** @param server gets no further routes once it listens */
  constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Listens on every address.
   *
   * @returns where, in the order of the hosts
   * @throws Error for the operator that names the address and the reason; nothing is listened on then
   */
  async listen({ hosts, port, skipsMissing }: ListenRequest): Promise<readonly ListenAddress[]> {
    const addresses = withoutCovered(await resolve(hosts));
    // What the framework's own listen() does first; that takes neither options nor a second address.
    (this.#server as unknown as { _compile(): void })._compile();
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#listenOnAll(addresses, port, skipsMissing);
      } catch (error) {
        this.close();
        const isTaken = error instanceof ListenError && error.code === 'EADDRINUSE';
        if (port !== 0 || !isTaken || attempt === MAX_FREE_PORT_ATTEMPTS) throw error;
      }
    }
  }

  /** Takes no new connections. */
  close(): void {
    for (const socket of this.#sockets.splice(0)) this.#server.close(socket);
  }

  async #listenOnAll(
    addresses: readonly string[],
    wanted: number,
    skipsMissing: boolean,
  ): Promise<readonly ListenAddress[]> {
    const found: ListenAddress[] = [];
    let missing: unknown;
    for (const address of addresses) {
      const port = found[0]?.port ?? wanted;
      try {
        found.push(await this.#listenOn(address, port));
      } catch (error) {
        if (!(error instanceof ListenError) || !NO_ADDRESS.has(error.code)) throw error;
        // The wildcard of IPv6 stands for every interface.
        if (address === ALL_IPV6) found.push(await this.#listenOn(ALL_IPV4, port));
        else if (!skipsMissing) throw error;
        missing = error;
      }
    }
    if (found.length === 0) throw missing;
    return found;
  }

  async #listenOn(address: string, port: number): Promise<ListenAddress> {
    const app = this.#server.uws_instance as unknown as { listen: Listen };
    const socket = await new Promise<Socket | false>((resolve) => {
      app.listen(address, port, LIBUS_LISTEN_EXCLUSIVE_PORT, resolve);
    });
    if (socket === false) throw new ListenError(address, port, await bindError(address, port));
    this.#sockets.push(socket);
    return { address, port: port === 0 ? localPort(socket) : port };
  }
}

/** An address as it stands in a URL: with brackets, if it is one of IPv6 (RFC 3986, section 3.2.2). */
export function urlOf({ address, port }: ListenAddress): string {
  return `http://${isIPv6(address) ? `[${address}]` : address}:${port}`;
}

/** The port that the system chose. */
function localPort(socket: Socket): number {
  return uWebSockets.us_socket_local_port(
    socket as unknown as Parameters<typeof uWebSockets.us_socket_local_port>[0],
  );
}

class ListenError extends Error {
  readonly code: string;

  constructor(address: string, port: number, code: string) {
    super(
      code === 'EADDRINUSE'
        ? `port ${port} can't be listened on: it is in use`
        : `port ${port} of the address ${address} can't be listened on: ${code}`,
    );
    this.code = code;
  }
}

/** Every address of every host, each once. @throws Error that names a host that has none */
async function resolve(hosts: readonly string[]): Promise<string[]> {
  const addresses = new Set<string>();
  for (const host of hosts) {
    if (isIP(host) !== 0) {
      addresses.add(host);
      continue;
    }
    try {
      for (const { address } of await lookup(host, { all: true })) addresses.add(address);
    } catch (cause) {
      throw new Error(`the host ${host} can't be listened on: it has no address`, { cause });
    }
  }
  return [...addresses];
}

/** Without those that a wildcard among them covers: bind(2) would refuse them. */
function withoutCovered(addresses: readonly string[]): readonly string[] {
  if (addresses.includes(ALL_IPV6)) return [ALL_IPV6];
  if (!addresses.includes(ALL_IPV4)) return addresses;
  return addresses.filter((address) => address === ALL_IPV4 || isIPv6(address));
}

/** Why an address can't be had, by the name of the error (bind(2)): uWebSockets tells only that it can't. */
async function bindError(address: string, port: number): Promise<string> {
  const probe = createServer();
  try {
    probe.listen({ host: address, port, exclusive: true });
    await once(probe, 'listening');
    probe.close();
    return 'it was in use a moment ago';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
