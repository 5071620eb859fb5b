// Leaves in node_modules what the bundle of the server loads at run time, for this very Node, and of uWebSockets the one
// binary. For images, behind `npm prune --omit=dev`.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LOADED_PACKAGES } from './loaded-packages.mjs';
import { UWS_FOLDER } from './uws.mjs';

const ROOT = 'node_modules';
const PACKAGE = /^((?:@[^/]+\/)?[^/]+)\/(.+)$/;
const CODE = /\.(?:[cm]?js|json)$/;
const LICENCE = /^(?:licen[cs]e|notice|copying)/i;
/** Folders of packages that nothing is loaded from. */
const ASIDE = /(?:^|\/)(?:benchmarks?|docs?|examples?|misc|mvp|scripts|tests?|vendor)\//;
const UWS_BINARY = `uws_linux_${process.arch}_${process.versions.modules}.node`;

/** The packages and all that they depend on, as far as it is installed. */
function closureOf(names) {
  const found = new Set(names);
  for (const name of found) {
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(ROOT, name, 'package.json')));
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies }))
      if (existsSync(join(ROOT, needed))) found.add(needed);
  }
  return found;
}

const loaded = closureOf(LOADED_PACKAGES);

/** @param path of a file, from the root on */
function isWanted(path) {
  const [, name, inner] = PACKAGE.exec(path) ?? [];
  if (inner === undefined) return false;
  if (inner === 'package.json' || LICENCE.test(basename(inner))) return true;
  return loaded.has(name) && isLoaded(inner);
}

/** @param path of a file of a package that is loaded */
function isLoaded(path) {
  if (ASIDE.test(path)) return false;
  if (CODE.test(path)) return true;
  return path.endsWith('.node') && !path.includes('musl');
}

/** Removes what is not wanted, and folders that are empty then. @returns whether any is left */
function prune(folder = '') {
  let left = 0;
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() ? prune(path) : isWanted(path)) left++;
    else rmSync(join(ROOT, path), { recursive: true });
  }
  return left > 0;
}

prune();
for (const name of readdirSync(UWS_FOLDER))
  if (name.endsWith('.node') && name !== UWS_BINARY) rmSync(join(UWS_FOLDER, name));
