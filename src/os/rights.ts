import { getSystemErrorName } from 'node:util';

/** Who a process runs as. */
export interface ActionUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, 64 at most. */
  readonly groups: readonly number[];
}

/** A resource limit by its number (getrlimit(2)); {@link UNLIMITED} is RLIM_INFINITY. */
export interface ResourceLimit {
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}

export const UNLIMITED = 2n ** 64n - 1n;

/** What processes of actions get that differs from the server's own. */
export interface Rights {
  /** Undefined: the server's own user. */
  readonly user: ActionUser | undefined;
  /** Whether set-user-ID programs and file capabilities give them nothing (PR_SET_NO_NEW_PRIVS, prctl(2)). */
  readonly noNewPrivileges: boolean;
  readonly limits: readonly ResourceLimit[];
}

/** The rights as stub/helper.c reads them; empty where nothing differs. */
export function rightsText(rights: Rights | undefined): string {
  if (rights === undefined) return '';
  const { user, noNewPrivileges, limits } = rights;
  const groups = user?.groups ?? [];
  return [
    ...[user?.uid ?? UNLIMITED, user?.gid ?? UNLIMITED, groups.length, ...groups],
    ...[noNewPrivileges ? 1 : 0, limits.length],
    ...limits.flatMap(({ resource, soft, hard }) => [resource, soft, hard]),
  ].join(' ');
}

/** The first argument by which the helper takes rights away from itself and executes a program (stub/helper.c). */
export const CONFINE = 'confine';
/** What it writes where it can't: an error number. */
export const ERROR_BYTES = 4;

/** A program that takes rights away from itself and then executes another. */
export interface Confinement {
  /** The helper. */
  readonly descriptor: number;
  /** A path to it that works in this process and in those it is about to start. */
  readonly path: string;
  /** What it is told to take away. */
  readonly text: string;
  readonly rights: Rights;
}

/** The error that the helper tells, as `ENOENT`. */
export function errorIn(report: Buffer): string {
  return getSystemErrorName(-report.readUInt32LE(0));
}
