/** How files begin that are uploaded by mistake, and what they are. As Latin-1. */
const FORMATS: readonly (readonly [start: string, what: string])[] = [
  ['\x1f\x8b', 'a gzip file'],
  ['\x1f\x9d', 'a file of compress(1)'],
  ['Rar!', 'a RAR archive'],
  ['7z\xbc\xaf', 'a 7z archive'],
  ['BZh', 'a bzip2 file'],
  ['\xfd7zXZ', 'an xz file'],
  ['(\xb5/\xfd', 'a zstd file'],
  ['\x04"M\x18', 'an LZ4 file'],
  ['MSCF', 'a Windows cabinet'],
  ['PK\x07\x08', 'a part of a split zip'],
];
/** Where a tar archive has its magic (tar(5)), since POSIX. */
const TAR_MAGIC_AT = 257;

/** What an upload is, by its first bytes; undefined where they do not show it. */
export function formatOf(bytes: Buffer): string | undefined {
  const head = bytes.toString('latin1', 0, 8);
  const found = FORMATS.find(([start]) => head.startsWith(start))?.[1];
  if (found !== undefined) return found;
  return bytes.toString('latin1', TAR_MAGIC_AT, TAR_MAGIC_AT + 5) === 'ustar' ? 'a tar archive' : undefined;
}
