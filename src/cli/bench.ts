import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const USAGE_STATUS = 2;
/** What the harness needs beyond what the server does. */
const REQUIRED_PACKAGES = ['autocannon', 'hdr-histogram-js', 'zod', 'echarts'] as const;

/** The bundle's own import() is a require(), which can't load a module. */
const importModule = new Function('url', 'return import(url)') as (url: string) => Promise<unknown>;

/** The harness, as `dist/bench/cli.js` exports it. */
interface Harness {
  bench(argv: readonly string[]): Promise<number>;
}

/**
 * `hyperskeleton bench`: hands over to the harness, which is no part of the server and needs packages that an
 * installation of the server goes without; an image goes without the harness too.
 *
 * @param packageFolder the package's folder
 * @returns the exit status: 2 where the harness or those packages are missing
 */
export async function bench(argv: readonly string[], packageFolder: URL): Promise<number> {
  const entry = new URL('dist/bench/cli.js', packageFolder);
  if (!existsSync(entry)) {
    process.stderr.write(
      'hyperskeleton: this installation has the server only. In a clone of the project:\n' +
        'npm ci && npm run bench -- --url http://127.0.0.1:8080\n',
    );
    return USAGE_STATUS;
  }
  let harness: Harness;
  try {
    // The harness loads its parts on demand; what is missing is to be said before anything is measured.
    const { resolve } = createRequire(new URL('package.json', packageFolder));
    for (const name of REQUIRED_PACKAGES) resolve(name);
    harness = (await importModule(entry.href)) as Harness;
  } catch (error) {
    if (!isMissingModule(error)) throw error;
    process.stderr.write(
      `hyperskeleton: bench needs packages that are not installed (${error.message.split('\n')[0]}).\n` +
        `Install them by: ${installCommand(packageFolder)}\n`,
    );
    return USAGE_STATUS;
  }
  return harness.bench(argv);
}

function isMissingModule(error: unknown): error is Error {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
}

function installCommand(packageFolder: URL): string {
  const text = readFileSync(new URL('package.json', packageFolder), 'utf8');
  const { devDependencies } = JSON.parse(text) as { devDependencies: Record<string, string> };
  const packages = REQUIRED_PACKAGES.map((name) => `${name}@${devDependencies[name] ?? 'latest'}`);
  return `npm install --no-save --prefix '${decodeURIComponent(packageFolder.pathname)}' ${packages.join(' ')}`;
}
