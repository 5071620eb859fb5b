import { readFileSync } from 'node:fs';
import { statFields } from '../../stat-fields.js';

/** Lines of `/proc/[pid]/status` that tell what is passed on (proc(5)). */
const PASSED_ON = /^(Umask|Uid|Gid|Groups|Cap\w+|NoNewPrivs|Seccomp\w*|Speculation\w+|\w+_allowed):/;
/** Places in `/proc/[pid]/stat`, counted from the field behind the name: nice value, real-time priority, policy. */
const SCHEDULING = [16, 37, 38];

/**
 * What this thread passes on to the processes that it starts: limits, priority, CPUs, cgroups, rights. An administrator
 * may change it from outside (prlimit(1), taskset(1), renice(1)), and a clone has what its template has.
 */
export class Inheritance {
  readonly #before = passedOn();

  unchanged(): boolean {
    return passedOn() === this.#before;
  }
}

function passedOn(): string {
  const fields = statFields(read('stat'));
  return [
    // The limit on open files is set for each start by itself.
    ...linesOf('limits').filter((line) => !line.startsWith('Max open files')),
    ...linesOf('status').filter((line) => PASSED_ON.test(line)),
    ...SCHEDULING.map((place) => fields[place]),
    ...['oom_score_adj', 'coredump_filter', 'cgroup'].map(read),
  ].join('\n');
}

function linesOf(name: string): string[] {
  return read(name).split('\n');
}

/** Empty where this system does not tell. */
function read(name: string): string {
  try {
    return readFileSync(`/proc/thread-self/${name}`, 'latin1');
  } catch {
    return '';
  }
}
