/** The size of everything in a tar (POSIX.1-2017, pax, "ustar Interchange Format"). */
export const BLOCK_BYTES = 512;

/** Where the fields of a header block are, and how long they are. */
export const TAR_FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 6],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [number, number]>;

export type TarField = keyof typeof TAR_FIELDS;

/** Writes a field, as text that is cut to its length. */
export function writeField(block: Buffer, field: TarField, text: string | Buffer): void {
  const [at, length] = TAR_FIELDS[field];
  block.fill(0, at, at + length);
  Buffer.from(text as string).copy(block, at, 0, length);
}

/** Makes the checksum of a header true again. */
export function sealHeader(block: Buffer): void {
  writeField(block, 'checksum', '        ');
  const sum = block.subarray(0, BLOCK_BYTES).reduce((total, byte) => total + byte, 0);
  writeField(block, 'checksum', `${sum.toString(8).padStart(6, '0')}\0 `);
}

/** An entry as blocks: the header and the data, padded. */
export function tarEntry(
  name: string,
  data: string | Buffer = '',
  fields: Partial<Record<TarField, string>> = {},
): Buffer {
  const bytes = Buffer.from(data as string);
  const header = Buffer.alloc(BLOCK_BYTES);
  writeField(header, 'name', name);
  writeField(header, 'mode', '0000755\0');
  writeField(header, 'uid', '0000000\0');
  writeField(header, 'gid', '0000000\0');
  writeField(header, 'size', `${bytes.length.toString(8).padStart(11, '0')}\0`);
  writeField(header, 'mtime', '00000000000\0');
  writeField(header, 'type', '0');
  writeField(header, 'magic', 'ustar\0');
  header.write('00', 263, 'latin1');
  for (const [field, text] of Object.entries(fields)) writeField(header, field as TarField, text);
  sealHeader(header);
  const padding = Buffer.alloc((BLOCK_BYTES - (bytes.length % BLOCK_BYTES)) % BLOCK_BYTES);
  return Buffer.concat([header, bytes, padding]);
}

/** Where the header blocks of a tar are, as long as it is in order. */
export function headersOf(tar: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at + BLOCK_BYTES <= tar.length; ) {
    if (tar[at] === 0) break;
    found.push(at);
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8);
    if (!(size >= 0)) break;
    at += BLOCK_BYTES + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return found;
}
