import { UnsafeEntryError } from './errors.js';

/** PATH_MAX without its NUL (limits.h): no longer path can be made, or followed. */
export const MAX_PATH_BYTES = 4095;

/**
 * The path components of an archive entry below the action folder (C-INIT-11).
 *
 * @param name the entry's name; folders end in a slash
 * @param shown the name in messages
 * @returns the components; none for the action folder itself (`../`)
 * @throws UnsafeEntryError for a name that is empty, absolute, longer than any path, or holds `..`, NUL or a backslash
 */
export function entryComponents(name: string, shown: (name: string) => string = JSON.stringify): string[] {
  if (name.length > MAX_PATH_BYTES)
    throw new UnsafeEntryError('an entry has a name that is longer than any path');
  const refuse = (why: string): never => {
    throw new UnsafeEntryError(`the entry ${shown(name)} ${why}`);
  };
  if (name === '') throw new UnsafeEntryError('an entry has an empty name');
  if (name.includes('\0')) refuse('holds a NUL character');
  if (name.includes('\\')) refuse('holds a backslash');
  if (name.startsWith('/') || /^[A-Za-z]:\//.test(name)) refuse('has an absolute path');
  const components = name.split('/').filter((component) => component !== '' && component !== '.');
  if (components.includes('..')) refuse('leads outside the action folder');
  return components;
}

/**
 * Checks that a symbolic link can be made. Where it leads is the action's own matter: nothing is ever written through
 * one (C-INIT-10).
 *
 * @param shown the link's path in messages
 * @throws UnsafeEntryError
 */
export function checkLinkTarget(shown: string, target: Buffer): void {
  if (target.length === 0 || target.length > MAX_PATH_BYTES || target.includes(0)) {
    throw new UnsafeEntryError(`the link ${shown} has no usable target`);
  }
}
