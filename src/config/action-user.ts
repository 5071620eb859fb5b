import { readFileSync } from 'node:fs';
import type { ActionUser } from '../os/rights.js';
import type { Config } from './load.js';

/** As many as stub/helper.c takes. */
const MAX_GROUPS = 64;
const MAX_ID = 2 ** 32 - 2;
const ROOT = 0;

/** Capabilities that it takes, by their numbers (capabilities(7)). */
const REQUIRED_CAPABILITIES = { CAP_CHOWN: 0, CAP_KILL: 5, CAP_SETGID: 6, CAP_SETUID: 7 };

/**
 * The user that `HYPERSKELETON_ACTION_USER` names: a name or a number, with a group behind a colon or without, as
 * `docker run --user` takes it. Without a group it is that of /etc/passwd with the supplementary groups of /etc/group;
 * with one it is this one alone.
 *
 * @throws Error naming what is wrong with it
 */
export function actionUserOf(
  text: string,
  passwd: string = readOrEmpty('/etc/passwd'),
  group: string = readOrEmpty('/etc/group'),
): ActionUser {
  const colon = text.indexOf(':');
  const wanted = colon < 0 ? text : text.slice(0, colon);
  const entry = fieldsOf(passwd).find(([name, , uid]) => name === wanted || uid === wanted);
  const uid = idOf(entry?.[2] ?? wanted);
  if (uid === undefined) throw invalidUser(text, `/etc/passwd has no user ${wanted}`);
  if (uid === ROOT) throw invalidUser(text, 'it must be another user than root');
  const groups = fieldsOf(group);
  if (colon >= 0) {
    const named = text.slice(colon + 1);
    const gid = idOf(groups.find(([name]) => name === named)?.[2] ?? named);
    if (gid === undefined) throw invalidUser(text, `/etc/group has no group ${named}`);
    return { uid, gid, groups: [gid] };
  }
  const gid = idOf(entry?.[3] ?? '');
  if (entry === undefined || gid === undefined)
    throw invalidUser(text, `/etc/passwd has no user ${uid}: give a group, too, as ${uid}:${uid}`);
  const further = groups.filter(([, , , members = '']) => members.split(',').includes(entry[0] as string));
  const ids = new Set([gid, ...further.map(([, , id = '']) => idOf(id)).filter((id) => id !== undefined)]);
  if (ids.size > MAX_GROUPS) throw invalidUser(text, `it is in more than ${MAX_GROUPS} groups`);
  return { uid, gid, groups: [...ids] };
}

/**
 * Makes sure that this process may start others as another user, end them, and give them files.
 *
 * @param status text of `/proc/self/status` (proc(5))
 * @throws Error naming the capabilities that are missing
 */
export function requireCapabilities(text: string, status: string): void {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const missing = Object.entries(REQUIRED_CAPABILITIES).filter(
    ([, bit]) => ((effective >> BigInt(bit)) & 1n) === 0n,
  );
  if (missing.length === 0 && /^Uid:\s*\d+\s+0\s/m.test(status)) return;
  const names = missing.length === 0 ? '' : ` with ${missing.map(([name]) => name).join(', ')}`;
  throw invalidUser(text, `the server must be root${names}`);
}

/** Whether set-user-ID programs and file capabilities give actions nothing: by default if they run as another user. */
export function hasNoNewPrivileges({
  noNewPrivs,
  actionUser,
}: Pick<Config, 'noNewPrivs' | 'actionUser'>): boolean {
  return noNewPrivs ?? actionUser !== undefined;
}

function invalidUser(text: string, why: string): Error {
  return new Error(`HYPERSKELETON_ACTION_USER=${JSON.stringify(text)}: ${why}`);
}

function idOf(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) <= MAX_ID ? Number(text) : undefined;
}

function fieldsOf(text: string): string[][] {
  return text.split('\n').map((line) => line.split(':'));
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
