import { isatty } from 'node:tty';
import { urlOf } from '../http/listener.js';
import { type RunningServer, startServer } from '../server/server.js';
import type { ConfiguredCommandLine } from './command.js';

/** `hyperskeleton serve`. @returns undefined: a server runs */
export async function serveCommand({ config }: ConfiguredCommandLine): Promise<undefined> {
  const server = await startServer(config);
  if (isatty(2)) process.stderr.write(startupBanner(server));
}

/** Wildcard addresses, in words. */
const WILDCARD_DESCRIPTIONS = new Map([
  ['::', ' (every interface, IPv6 and IPv4)'],
  ['0.0.0.0', ' (every interface, IPv4)'],
]);

/** For a person: where it listens, a line for each address, and what it is made of. */
function startupBanner({ addresses, actionRoot, engine, http, httpFallbackReason }: RunningServer): string {
  const lines = addresses.map(
    (one) => `hyperskeleton serves ${urlOf(one)}${WILDCARD_DESCRIPTIONS.get(one.address) ?? ''}\n`,
  );
  const note = httpFallbackReason === '' ? '' : `, which is slower: ${httpFallbackReason}`;
  return `${lines.join('')}engine ${engine}, action root ${actionRoot}, HTTP by ${http}${note}\n`;
}
