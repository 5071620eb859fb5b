/** Packages that the bundle of the server does not hold: native libraries, and what is loaded on demand. */
export const LOADED_PACKAGES = ['koffi', 'pino', 'adm-zip'];
