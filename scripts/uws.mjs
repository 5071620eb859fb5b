// Puts the binaries of uWebSockets that the server can load beside its bundle, as they are: npm's package has those of
// every system, 257 MB, and who installs the server would have them all.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const PACKAGE = 'node_modules/uWebSockets.js';
/** Where they lie, from the package's folder on. */
export const UWS_FOLDER = 'dist/server/uWebSockets';
/** NODE_MODULE_VERSION of Node 20, 22 and 24: with another one node:http serves. */
const MODULE_VERSIONS = [115, 127, 137];
const ARCHITECTURES = ['x64', 'arm64'];

export function copyUws() {
  rmSync(UWS_FOLDER, { recursive: true, force: true });
  mkdirSync(UWS_FOLDER, { recursive: true });
  const binaries = ARCHITECTURES.flatMap((architecture) =>
    MODULE_VERSIONS.map((version) => `uws_linux_${architecture}_${version}.node`),
  );
  for (const name of ['uws.js', 'LICENSE', 'source_commit', ...binaries])
    copyFileSync(join(PACKAGE, name), join(UWS_FOLDER, name));
}
