import { entryName, type Variable } from '../environment.js';

/** Variables of the server that an action gets under another name (C-AL-07). */
const RENAMED_VARIABLES: readonly (readonly [from: string, to: string])[] = [
  ['OW_EXECUTION_ENV', '__OW_EXECUTION_ENV'],
  ['OW_WAIT_FOR_ACK', '__OW_WAIT_FOR_ACK'],
];

/**
 * The whole environment of an ActionLoop process (C-AL-07, C-AL-08): nothing of the server's own but the
 * variables named `__OW_*`, then those of the init. Later ones win.
 *
 * @param inherited the server's environment as entries `NAME=value`
 * @param version of this server, which the action sees as __OW_PROXY_VERSION
 */
export function actionLoopEnvironment(
  inherited: readonly Buffer[],
  version: string,
  fromInit: readonly Variable[],
): Buffer[] {
  const entries = new Map<string, Buffer>([
    ['__OW_PROXY_VERSION', Buffer.from(`__OW_PROXY_VERSION=${version}`)],
  ]);
  const named = new Map(inherited.map((entry) => [entryName(entry), entry]));
  for (const [from, to] of RENAMED_VARIABLES) {
    const entry = named.get(from);
    if (entry === undefined || entry.length === from.length + 1) continue;
    entries.set(to, Buffer.concat([Buffer.from(to), entry.subarray(from.length)]));
  }
  for (const [name, entry] of named) if (name.startsWith('__OW_')) entries.set(name, entry);
  for (const [name, value] of fromInit) entries.set(name, Buffer.from(`${name}=${value}`));
  return [...entries.values()];
}
