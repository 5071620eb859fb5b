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
