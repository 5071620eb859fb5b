import { UnsupportedError } from '../../errors.js';
import type { Arch, CallName } from '../arch/arch.js';
import { syscallName } from './allow-list.js';
import { resolveFrom } from './dependencies.js';
import type { SyscallEntry, Tracee } from './tracee.js';

/** Where the calls that take a path have it, and the descriptor of the folder from which it goes. */
const ARGUMENTS: Partial<Readonly<Record<CallName, { readonly path: number; readonly folder?: number }>>> = {
  access: { path: 0 },
  faccessat: { path: 1, folder: 0 },
  newfstatat: { path: 1, folder: 0 },
  open: { path: 0 },
  openat: { path: 1, folder: 0 },
  readlink: { path: 0 },
  readlinkat: { path: 1, folder: 0 },
  stat: { path: 0 },
};
const AT_FDCWD = -100n;
const MAX_PATH_BYTES = 4096;
/** The program itself, which is known already. */
const OWN_PROGRAM = '/proc/self/exe';
/** What is read there may be different each time. */
const NO_FILES = /^\/(proc|sys|dev)\//;

/**
 * The path that a system call asks for, absolute; undefined where it takes none.
 *
 * @param folder the process's working directory
 * @throws UnsupportedError where what it leads to can't be kept an eye on
 */
export function syscallPath(
  tracee: Tracee,
  arch: Arch,
  call: SyscallEntry,
  folder: string,
): string | undefined {
  const name = syscallName(arch, call);
  const at = name === undefined ? undefined : ARGUMENTS[name];
  if (at === undefined) return undefined;
  const bytes = tracee.readString(call.arguments[at.path] ?? 0n, MAX_PATH_BYTES);
  const path = bytes.toString('utf8');
  // Empty: about a descriptor (AT_EMPTY_PATH), which an earlier call has opened.
  if (path === '' || path === OWN_PROGRAM) return undefined;
  if (!Buffer.from(path).equals(bytes)) throw new UnsupportedError('it asks for a path that is not UTF-8');
  const fromElsewhere =
    at.folder !== undefined && BigInt.asIntN(32, call.arguments[at.folder] ?? 0n) !== AT_FDCWD;
  if (!path.startsWith('/') && fromElsewhere)
    throw new UnsupportedError(`it asks for ${path} from a descriptor`);
  if (NO_FILES.test(path)) throw new UnsupportedError(`it asks for ${path} before its own code began`);
  return resolveFrom(folder, path);
}
