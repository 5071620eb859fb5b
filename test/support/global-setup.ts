import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The tests run the built server; `npm test` builds it. */
export default function setup(): void {
  const main = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));
  if (!existsSync(main))
    throw new Error('there is no build: run `npm run build`, or the tests by `npm test`');
}
