import { readFileSync } from 'node:fs';
import { errno, prctl, prlimit } from '../../../os/libc.js';
import { ioprioGet, schedGetaffinity, schedGetattr } from '../../native-code/libc-calls.js';
import type { Arch } from '../arch/arch.js';

/**
 * What a process inherits and every other process of its user may change from outside, without ptrace(2): limits
 * (prlimit(2)), nice value, scheduling, CPUs (sched_setattr(2), sched_setaffinity(2)), I/O priority (ioprio_set(2)), timer
 * slack, and where they are root, what /proc has of it. An activation can do that to a template, and then all clones of
 * it would have it. So each clone compares what it has with this, and does not begin where it differs.
 */

const WORD_BYTES = 8;
/** struct attributes of stub/layout.h: the places of its members, in words. */
const AT = { checks: 0, limits: 1, scheduling: 33, ioPriority: 37, timerSlack: 38, cpuBytes: 39, cpus: 40 };
const OOM_SCORE_AT = 56 * WORD_BYTES;
const DUMP_FILTER_AT = 58 * WORD_BYTES;
export const ATTRIBUTES_WORDS = 60;
const TEXT_BYTES = 16;
const MAX_CPU_BYTES = 128;
const CHECK = { limits: 1, scheduling: 2, cpus: 4, ioPriority: 8, timerSlack: 16, files: 32 };

/** RLIMIT_CPU to RLIMIT_RTTIME (getrlimit(2)). */
const LIMITS = 16;
const RLIMIT_NOFILE = 7;
const SCHED_ATTR_BYTES = 56;
/** Size to priority, then the utilization clamps; what is between are times. */
const SCHED_ATTR_FIRST_BYTES = 24;
const SCHED_CLAMPS_AT = 48;
const IOPRIO_WHO_PROCESS = 1;
const PR_GET_TIMERSLACK = 30;
const CALLING = 0;

/** A soft and a hard limit by its number, where it is not the server's own. */
type LimitOverrides = ReadonlyMap<number, readonly [soft: bigint, hard: bigint]>;

/** What `/proc/[pid]` of a process that is executed from this thread says (proc(5)). */
export interface ProcTexts {
  readonly oomScore: string;
  readonly dumpFilter: string;
}

/** Reads what a process has of {@link ProcTexts}; undefined where this system does not tell. */
export function procTexts(pid: number | 'self'): ProcTexts | undefined {
  try {
    const text = (name: string): string => readFileSync(`/proc/${pid}/${name}`, 'latin1');
    return { oomScore: text('oom_score_adj'), dumpFilter: text('coredump_filter') };
  } catch {
    return undefined;
  }
}

/**
 * The attributes of a process that the calling thread executes, as struct attributes.
 *
 * @param own limits that it is given instead of this process's own
 * @param files undefined: no process of its user may write them
 */
export function attributesOfChildren(arch: Arch, own: LimitOverrides, files: ProcTexts | undefined): Buffer {
  const bytes = Buffer.alloc(ATTRIBUTES_WORDS * WORD_BYTES);
  let checks = 0;
  const set = (word: number, value: bigint): void => {
    bytes.writeBigUInt64LE(value, word * WORD_BYTES);
  };
  const pair = new BigUint64Array(2);
  for (let resource = 0; resource < LIMITS; resource++) {
    prlimit(CALLING, resource, null, pair);
    const [soft, hard] = own.get(resource) ?? (pair as unknown as readonly [bigint, bigint]);
    set(AT.limits + 2 * resource, soft);
    set(AT.limits + 2 * resource + 1, hard);
  }
  checks |= CHECK.limits;
  const scheduling = Buffer.alloc(SCHED_ATTR_BYTES);
  if (schedGetattr(arch.queries.schedGetattr, CALLING, scheduling, SCHED_ATTR_BYTES, 0) === 0) {
    scheduling.copy(bytes, AT.scheduling * WORD_BYTES, 0, SCHED_ATTR_FIRST_BYTES);
    scheduling.copy(bytes, (AT.scheduling + 3) * WORD_BYTES, SCHED_CLAMPS_AT);
    checks |= CHECK.scheduling;
  }
  const cpus = bytes.subarray(AT.cpus * WORD_BYTES, AT.cpus * WORD_BYTES + MAX_CPU_BYTES);
  const cpuBytes = schedGetaffinity(arch.queries.schedGetaffinity, CALLING, MAX_CPU_BYTES, cpus);
  if (cpuBytes > 0) {
    set(AT.cpuBytes, BigInt(cpuBytes));
    checks |= CHECK.cpus;
  }
  const ioPriority = ioPriorityOf(arch, CALLING);
  if (ioPriority >= 0) {
    set(AT.ioPriority, BigInt(ioPriority));
    checks |= CHECK.ioPriority;
  }
  const slack = prctl(PR_GET_TIMERSLACK, 0);
  if (slack >= 0) {
    set(AT.timerSlack, BigInt(slack));
    checks |= CHECK.timerSlack;
  }
  if (files !== undefined) {
    bytes.write(files.oomScore.slice(0, TEXT_BYTES), OOM_SCORE_AT, 'latin1');
    bytes.write(files.dumpFilter.slice(0, TEXT_BYTES), DUMP_FILTER_AT, 'latin1');
    checks |= CHECK.files;
  }
  set(AT.checks, BigInt(checks));
  return bytes;
}

/** Where the limit on open files stands among {@link LimitOverrides}. */
export function withOpenFiles(
  limits: LimitOverrides,
  openFiles: readonly [soft: bigint, hard: bigint] | undefined,
): LimitOverrides {
  return openFiles === undefined ? limits : new Map([[RLIMIT_NOFILE, openFiles], ...limits]);
}

/** The I/O priority of a thread (ioprio_get(2)); negative where this system does not tell. */
export function ioPriorityOf(arch: Arch, thread: number): number {
  const priority = ioprioGet(arch.queries.ioprioGet, IOPRIO_WHO_PROCESS, thread);
  return priority < 0 ? -errno() : Number(priority);
}
