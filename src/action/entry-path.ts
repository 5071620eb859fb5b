import { UnsafeEntry } from './refusals.js';

/**
 * The path components of an archive entry below the action folder (C-INIT-11).
 *
 * @param name the entry's name as the archive has it; folders end in a slash
 * @returns the components; none for the action folder itself (`./`)
 * @throws UnsafeEntry for a name that is empty, absolute, holds `..`, NUL or a backslash
 */
export function entryComponents(name: string): string[] {
  const shown = JSON.stringify(name);
  if (name === '') throw new UnsafeEntry('an entry has an empty name');
  if (name.includes('\0')) throw new UnsafeEntry(`the entry ${shown} holds a NUL character`);
  if (name.includes('\\')) throw new UnsafeEntry(`the entry ${shown} holds a backslash`);
  if (name.startsWith('/')) throw new UnsafeEntry(`the entry ${shown} has an absolute path`);
  const components = name.split('/').filter((component) => component !== '' && component !== '.');
  if (components.includes('..')) throw new UnsafeEntry(`the entry ${shown} leads outside the action folder`);
  return components;
}

/**
 * Checks that a symbolic link stays inside the action folder (C-INIT-10).
 *
 * `..` is taken at the front of the target only, and no further up than the link is deep: behind another
 * link `..` could lead anywhere, whatever the text looks like.
 *
 * @param components the link's own path below the action folder
 * @throws UnsafeEntry when it may lead outside
 */
export function checkLinkTarget(components: readonly string[], target: string): void {
  const shown = `the link ${JSON.stringify(components.join('/'))} -> ${JSON.stringify(target)}`;
  if (target === '' || target.includes('\0')) throw new UnsafeEntry(`${shown} has no usable target`);
  if (target.startsWith('/')) throw new UnsafeEntry(`${shown} leads outside the action folder`);
  const steps = target.split('/').filter((step) => step !== '' && step !== '.');
  const ups = steps.findIndex((step) => step !== '..');
  const leading = ups === -1 ? steps.length : ups;
  if (leading > components.length - 1 || steps.slice(leading).includes('..')) {
    throw new UnsafeEntry(`${shown} leads outside the action folder`);
  }
}
