import { writeSync } from 'node:fs';
import { close, errno, errnoName, F_DUPFD_CLOEXEC, fcntl } from '../../libc.js';
import { memfdCreate } from './native.js';
import { Unsuitable } from './refusal.js';

const MFD_CLOEXEC = 1;
/** Beyond the descriptors that a new process is given. */
const OUT_OF_THE_WAY = 10;

/**
 * A descriptor of a program in memory (memfd_create(2)), closed on exec.
 *
 * @throws Unsuitable where there are no files in memory
 */
export function helperInMemory(program: Buffer): number {
  const memory = memfdCreate('hyperskeleton-helper', MFD_CLOEXEC);
  if (memory < 0) throw new Unsuitable(`memfd_create: ${errnoName(errno())}`);
  const fd = fcntl(memory, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
  writeSync(fd, program);
  close(memory);
  return fd;
}
