import { lookup } from 'node:dns/promises';
import { isIP, isIPv6 } from 'node:net';
import type { ListeningSocket, SiteServer } from './front-end.js';

/** Where a server listens. */
export interface ListenAddress {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
}

const ALL_IPV6 = '::';
const ALL_IPV4 = '0.0.0.0';
/** Attempts to find a port that is free at every address. */
const MAX_FREE_PORT_ATTEMPTS = 20;
/** Errors of bind(2) and socket(2) that say that the system has no such address. */
const NO_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

/** What {@link Listener.listen} is to listen on. */
interface ListenRequest {
  /** IP addresses and host names. */
  readonly hosts: readonly string[];
  /** 0 takes one that is free at every address. */
  readonly port: number;
  /** Whether an address that the system does not have is left out, as long as another one is there. */
  readonly skipsMissing: boolean;
}

/** The sockets that one server listens on, none of which another process can listen on too. */
export class Listener {
  readonly #server: SiteServer;
  readonly #sockets: ListeningSocket[] = [];

  constructor(server: SiteServer) {
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
    for (const socket of this.#sockets.splice(0)) socket.close();
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
    const socket = await this.#server.listen(address, port);
    this.#sockets.push(socket);
    return { address, port: socket.port };
  }
}

/** An address as it stands in a URL: with brackets, if it is one of IPv6 (RFC 3986, section 3.2.2). */
export function urlOf({ address, port }: ListenAddress): string {
  return `http://${isIPv6(address) ? `[${address}]` : address}:${port}`;
}

/** An address that can't be listened on, in words for the operator. */
export class ListenError extends Error {
  readonly code: string;

  /** @param code the name of the error (bind(2)) */
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
