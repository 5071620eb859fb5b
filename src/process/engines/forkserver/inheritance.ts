import { readFileSync } from 'node:fs';
import { statFields } from '../../stat-fields.js';
import { type Arch, hostArch } from './arch/arch.js';
import { ioPriorityOf } from './attributes.js';
import { thisThread } from './this-thread.js';

/** Lines of `/proc/[pid]/status` that tell what is passed on (proc(5)). */
const PASSED_ON = /^(Umask|Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp\w*|Speculation\w+|\w+_allowed):/;
/** Places in `/proc/[pid]/stat`, counted from the field behind the name: nice value, real-time priority, policy. */
const SCHEDULING = [16, 37, 38];

/** What is known of it, for another thread. */
export interface InheritanceFacts {
  /** The thread's folder in /proc. */
  readonly thread: string;
  readonly before: string;
  /** In nanoseconds; empty where this thread may not read it of that one (proc(5)). */
  readonly timerSlack: string;
}

/**
 * What a thread passes on to the processes that it starts: limits, priority, CPUs, cgroups, rights. An administrator
 * may change it from outside (prlimit(1), taskset(1), renice(1)), and a clone has what its template has.
 */
export class Inheritance {
  readonly facts: InheritanceFacts;

  /** @param known what another thread passed on; undefined: what this one does */
  constructor(known?: InheritanceFacts) {
    this.facts = known ?? factsOf(thisThread());
  }

  unchanged(): boolean {
    const { before, timerSlack, thread } = this.facts;
    const now = factsOf(thread);
    return now.before === before && (now.timerSlack === '' || now.timerSlack === timerSlack);
  }
}

function factsOf(thread: string): InheritanceFacts {
  const text = (name: string): string => read(`${thread}/${name}`);
  const lines = (name: string): string[] => text(name).split('\n');
  const fields = statFields(text('stat'));
  const threadId = thread.slice(thread.lastIndexOf('/') + 1);
  const before = [
    // The limit on open files is set for each start by itself.
    ...lines('limits').filter((line) => !line.startsWith('Max open files')),
    ...lines('status').filter((line) => PASSED_ON.test(line)),
    ...SCHEDULING.map((place) => fields[place]),
    ioPriorityOf(hostArch() as Arch, Number(threadId)),
    ...['oom_score_adj', 'coredump_filter', 'cgroup'].map(text),
  ].join('\n');
  return { thread, before, timerSlack: read(`/proc/${threadId}/timerslack_ns`) };
}

/** Empty where this system does not tell. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
