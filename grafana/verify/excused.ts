/** Panels that only the fork-server engine fills, and why. */
export const ONLY_WITH_FORK_SERVER: Readonly<Record<string, string>> = {
  'Prewarmed processes ready': 'only the fork server prepares processes',
  'Prewarmed processes: hits and misses': 'without prepared processes there is nothing to hit or miss',
  'Share of activations that found a ready process': 'as above',
  Refilling: 'as above',
  'Templates by event': 'only the fork server has templates',
  'Starts that the fork server refused, by reason': 'there is none to refuse any',
  'Time spent on templates': 'as above',
};

/** Single queries that only a certain machine fills, as panel and query, and why. */
export const ONLY_ON_SOME_MACHINES: Readonly<Record<string, string>> = {
  'Memory of the container B':
    'there is a limit only in a container that has one, or where the test may make a control group',
  'Short of CPU A': 'control groups of version 2 tell it only of a container',
  'Short of CPU B': 'the kernel was built or started without PSI',
};

/**
 * Why a query may be empty under load; undefined where it may not.
 *
 * @param engine what the server itself says that it runs
 */
export function excuse(panel: string, refId: string, engine: string): string | undefined {
  const some = ONLY_ON_SOME_MACHINES[`${panel} ${refId}`];
  return engine === 'forkserver' ? some : (ONLY_WITH_FORK_SERVER[panel] ?? some);
}
