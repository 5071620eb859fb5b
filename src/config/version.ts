import { readFileSync } from 'node:fs';

/** The version of this package. */
export function version(): string {
  // Two folders up from both dist/server, where the bundle of the server lies, and dist/src/config.
  const candidates = ['../../package.json', '../../../package.json'].map(
    (path) => new URL(path, import.meta.url),
  );
  for (const candidate of candidates) {
    try {
      const { name, version: found } = JSON.parse(readFileSync(candidate, 'utf8')) as Record<string, string>;
      if (name === 'hyperskeleton' && found !== undefined) return found;
    } catch {
      // The other one is it.
    }
  }
  return 'unknown';
}
