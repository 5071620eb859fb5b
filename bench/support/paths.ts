import { fileURLToPath } from 'node:url';

/** The project's folder, seen from where this file is compiled to. */
const PROJECT_URL = new URL('../../../', import.meta.url);

/** The project's folder. */
export const PROJECT = fileURLToPath(PROJECT_URL);

/** The command that starts the server. */
export const SERVER = fileURLToPath(new URL('bin/hyperskeleton', PROJECT_URL));

/** What the project is and depends on. */
export const PACKAGE_JSON = fileURLToPath(new URL('package.json', PROJECT_URL));

/** The C programs' sources. */
export const C_SOURCES = fileURLToPath(new URL('bench/c/', PROJECT_URL));
