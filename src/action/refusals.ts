import type { Failure } from '../errors/table.js';

/** Why an init's archive is refused; the message goes into the answer. */

/** An archive that can't be read: no zip, truncated, corrupt. */
export class BadArchive extends Error {
  override readonly name = 'BadArchive';
}

/** An entry that is refused for where it leads or what it is. */
export class UnsafeEntry extends Error {
  override readonly name = 'UnsafeEntry';
}

/** An archive beyond the limits. */
export class ArchiveTooLarge extends Error {
  override readonly name = 'ArchiveTooLarge';
}

/** A refusal that has its row in the table of errors already. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.code);
    this.failure = failure;
  }
}

/** What an init's failure is, told apart by who has to change something. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Refused) return error.failure;
  if (error instanceof BadArchive) return { code: 'init_bad_archive', detail: error.message };
  if (error instanceof UnsafeEntry) return { code: 'init_unsafe_archive', detail: error.message };
  if (error instanceof ArchiveTooLarge) return { code: 'init_archive_too_large', detail: error.message };
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === 'ENAMETOOLONG')
    return { code: 'init_bad_archive', detail: 'a name or path in it is too long' };
  if (code === 'ELOOP') return { code: 'init_bad_archive', detail: 'its links lead in a circle' };
  // The code and the call say what is wrong; paths of this machine are not the caller's business.
  const reason =
    code === undefined ? String(error) : `${code}${syscall === undefined ? '' : ` (${syscall})`}`;
  return { code: 'init_io_failed', detail: reason };
}
