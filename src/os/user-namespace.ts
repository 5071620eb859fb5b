import { readFileSync } from 'node:fs';

const DEFAULT_OVERFLOW_UID = 65_534;

/** The texts that tell which users a namespace has. */
interface NamespaceTexts {
  /** user_namespaces(7), `/proc/[pid]/uid_map`. */
  readonly uidMap: string;
  /** proc(5), `/proc/sys/kernel/overflowuid`. */
  readonly overflowUid: string;
}

/**
 * The user number that files show whose owner is no user of this process's user namespace (user_namespaces(7)): in a
 * container of one user, as rootless ones without subordinate users are, that is everything that is root's outside. Nobody
 * in the namespace can have made such a file, or can change it by being its owner.
 *
 * @returns undefined where that number may also be a user of the namespace
 */
export function outsideOwner({ uidMap, overflowUid }: NamespaceTexts): number | undefined {
  const shown = Number.parseInt(overflowUid, 10);
  const overflow = Number.isNaN(shown) ? DEFAULT_OVERFLOW_UID : shown;
  const ranges = uidMap
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(({ length }) => length === 3);
  const isMapped = ranges.some(([first = 0, , count = 0]) => first <= overflow && overflow < first + count);
  return isMapped || ranges.length === 0 ? undefined : overflow;
}

let known: { readonly owner: number | undefined } | undefined;

/** Whether a file's owner is none of this process's user namespace: {@link outsideOwner}. */
export function isOutsideOwner(uid: number): boolean {
  known ??= {
    owner: outsideOwner({
      uidMap: textOf('/proc/self/uid_map'),
      overflowUid: textOf('/proc/sys/kernel/overflowuid'),
    }),
  };
  return uid === known.owner;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
