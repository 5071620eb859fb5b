import type { Failure } from '../../protocol/errors.js';

/** Why an init's archive is refused; the message goes into the answer. */

/** An archive that can't be read: no zip, truncated, corrupt. */
export class InvalidArchiveError extends Error {
  override readonly name = 'InvalidArchiveError';
}

/** An entry that is refused for where it leads or what it is. */
export class UnsafeEntryError extends Error {
  override readonly name = 'UnsafeEntryError';
}

/** An archive beyond the limits. */
export class ArchiveTooLargeError extends Error {
  override readonly name = 'ArchiveTooLargeError';
}

/** A refusal that has its row in the table of errors already. */
export class InitRefusedError extends Error {
  override readonly name = 'InitRefusedError';
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.code);
    this.failure = failure;
  }
}

/** What an init's failure is, told apart by who has to change something. */
export function failureOf(error: unknown): Failure {
  if (error instanceof InitRefusedError) return error.failure;
  if (error instanceof InvalidArchiveError) return { code: 'init_bad_archive', detail: error.message };
  if (error instanceof UnsafeEntryError) return { code: 'init_unsafe_archive', detail: error.message };
  if (error instanceof ArchiveTooLargeError) return { code: 'init_archive_too_large', detail: error.message };
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === 'ENAMETOOLONG')
    return { code: 'init_bad_archive', detail: 'a name or path in it is too long' };
  if (code === 'ELOOP') return { code: 'init_bad_archive', detail: 'its links lead in a circle' };
  // The code and the call say what is wrong; paths of this machine are not the caller's business.
  const reason =
    code === undefined ? String(error) : `${code}${syscall === undefined ? '' : ` (${syscall})`}`;
  return { code: 'init_io_failed', detail: reason };
}
