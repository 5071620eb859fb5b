import { readFileSync } from 'node:fs';
import { statFields } from '../../../os/proc-stat.js';
import { type Arch, hostArch } from '../arch/arch.js';
import { ioPriorityOf } from './attributes.js';
import { threadProcPath } from './thread-proc-path.js';

/** Lines of `/proc/[pid]/status` that tell what is passed on (proc(5)). */
const INHERITED_STATUS_LINES =
  /^(Umask|Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp\w*|Speculation\w+|\w+_allowed):/;
/** Places in `/proc/[pid]/stat`, counted from the field behind the name: nice value, real-time priority, policy. */
const SCHEDULING = [16, 37, 38];

/** What is known of it, for another thread. */
export interface InheritedAttributesSnapshot {
  /** The thread's folder in /proc. */
  readonly thread: string;
  readonly values: string;
  /** In nanoseconds; empty where this thread may not read it of that one (proc(5)). */
  readonly timerSlack: string;
}

/**
 * The attributes that processes inherit from the thread that starts them: limits, priority, CPUs, cgroups, rights. An
 * administrator may change them from outside (prlimit(1), taskset(1), renice(1)); a clone has those of its template.
 */
export class InheritedAttributes {
  readonly snapshot: InheritedAttributesSnapshot;

  /** @param known what another thread passed on; undefined: what this one does */
  constructor(known?: InheritedAttributesSnapshot) {
    this.snapshot = known ?? readInheritedAttributes(threadProcPath());
  }

  isUnchanged(): boolean {
    const { values, timerSlack, thread } = this.snapshot;
    const now = readInheritedAttributes(thread);
    return now.values === values && (now.timerSlack === '' || now.timerSlack === timerSlack);
  }
}

function readInheritedAttributes(thread: string): InheritedAttributesSnapshot {
  const text = (name: string): string => read(`${thread}/${name}`);
  const lines = (name: string): string[] => text(name).split('\n');
  const fields = statFields(text('stat'));
  const threadId = thread.slice(thread.lastIndexOf('/') + 1);
  const values = [
    // The limit on open files is set for each start by itself.
    ...lines('limits').filter((line) => !line.startsWith('Max open files')),
    ...lines('status').filter((line) => INHERITED_STATUS_LINES.test(line)),
    ...SCHEDULING.map((place) => fields[place]),
    ioPriorityOf(hostArch() as Arch, Number(threadId)),
    ...['oom_score_adj', 'coredump_filter', 'cgroup'].map(text),
  ].join('\n');
  return { thread, values, timerSlack: read(`/proc/${threadId}/timerslack_ns`) };
}

/** Empty where this system does not tell. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
