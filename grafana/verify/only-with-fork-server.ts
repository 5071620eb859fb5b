/** Panels that stay empty without the fork-server engine, and why; nothing else may be empty under load. */
export const ONLY_WITH_FORK_SERVER: Readonly<Record<string, string>> = {
  'Prewarmed processes ready': 'only the fork server prepares processes',
  'Prewarmed processes: hits and misses': 'without prepared processes there is nothing to hit or miss',
  'Share of activations that found a ready process': 'as above',
  Refilling: 'as above',
};

/** Whether a panel may be empty. */
export function isEmptyAllowed(panel: string): boolean {
  return Object.hasOwn(ONLY_WITH_FORK_SERVER, panel);
}
