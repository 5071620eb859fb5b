import type { TargetDefinition } from './definition.js';

const COMMON = { reference: false, peer: false, init: 'post', quick: true } as const;

/** A runtime that runs somewhere already. Its processes can't be seen: no CPU, no memory, no cold start. */
export function urlTarget(url: string, id: string, protocol: 'classic' | 'actionloop'): TargetDefinition {
  return {
    ...COMMON,
    id,
    title: url,
    description: `A runtime that runs at ${url}; it is initialised once for each scenario.`,
    protocol,
    url,
    find: () => Promise.resolve({ present: true }),
  };
}

/** A runtime by the command that starts it: {port} and {actionRoot} in it are replaced. */
export function commandTarget(
  command: string,
  id: string,
  protocol: 'classic' | 'actionloop',
): TargetDefinition {
  return {
    ...COMMON,
    id,
    title: command,
    description: `A runtime started by \`${command}\`.`,
    protocol,
    find: () =>
      Promise.resolve({
        present: true,
        command: [command],
        start: ({ port, actionRoot }) => {
          const text = command.replaceAll('{port}', String(port)).replaceAll('{actionRoot}', actionRoot);
          return {
            command: ['/bin/sh', '-c', `exec ${text}`],
            env: { ...definedEnvironment(), FLASK_PROXY_PORT: String(port), PORT: String(port) },
          };
        },
      }),
  };
}

function definedEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return Object.fromEntries(entries);
}
