import { fileURLToPath } from 'node:url';

/** The project's folder, seen from where this file is compiled to. */
const PROJECT = new URL('../../../', import.meta.url);

/** The command that starts the server. */
export const SERVER = fileURLToPath(new URL('bin/hyperskeleton', PROJECT));

/** The C programs' sources. */
export const C_SOURCES = fileURLToPath(new URL('bench/c/', PROJECT));
