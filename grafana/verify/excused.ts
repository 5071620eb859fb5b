/** Panels that only the fork-server engine fills, and why. */
export const ONLY_WITH_FORK_SERVER: Readonly<Record<string, string>> = {
  'Prewarmed processes ready': 'only the fork server prepares processes',
  'Prewarmed processes: hits and misses': 'without prepared processes there is nothing to hit or miss',
  'Share of activations that found a ready process': 'as above',
  Refilling: 'as above',
};

/** Single queries that only a certain machine fills, as panel and query, and why. */
export const ONLY_IN_A_CONTAINER: Readonly<Record<string, string>> = {
  'Memory of the container B':
    'there is a limit only in a container that has one, or where the test may make a control group',
};

/** Why a query may be empty under load; undefined where it may not. */
export function excuse(panel: string, refId: string): string | undefined {
  return ONLY_WITH_FORK_SERVER[panel] ?? ONLY_IN_A_CONTAINER[`${panel} ${refId}`];
}
