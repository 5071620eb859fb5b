import { writeSync } from 'node:fs';
import { close, errno, errnoName, F_DUPFD_CLOEXEC, fcntl } from '../../os/libc.js';
import { UnsupportedError } from '../errors.js';
import { memfdCreate } from './libc-calls.js';

const MFD_CLOEXEC = 1;
/** Beyond the descriptors that a new process is given. */
const MIN_DESCRIPTOR = 10;

/**
 * A descriptor of a program in memory (memfd_create(2)), closed on exec.
 *
 * @throws UnsupportedError where there are no files in memory
 */
export function createHelperMemfd(program: Buffer): number {
  const memory = memfdCreate('hyperskeleton-helper', MFD_CLOEXEC);
  if (memory < 0) throw new UnsupportedError(`memfd_create: ${errnoName(errno())}`);
  const fd = fcntl(memory, F_DUPFD_CLOEXEC, MIN_DESCRIPTOR);
  writeSync(fd, program);
  close(memory);
  return fd;
}
