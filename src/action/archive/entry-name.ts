import { crc32 } from 'node:zlib';
import { InvalidArchiveError } from './errors.js';
import { extraField, type ZipEntry } from './zip-directory.js';

/** The name of a zip's entry as text, and by which rule. */
interface EntryName {
  readonly text: string;
  /** Two entries that have one name by different rules are not the same entry. */
  readonly encoding: 'utf8' | 'extra' | 'cp437';
}

const FLAG_UTF8 = 0x0800;
/** Info-ZIP's Unicode Path Extra Field (APPNOTE.TXT 4.6.9). */
const UNICODE_PATH = 0x7075;
const MADE_ON_WINDOWS = new Set([0, 10, 14]);

/** The upper half of code page 437, from 0x80 on. */
const CP437 =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The name of an entry (APPNOTE.TXT 4.4.17, appendix D): UTF-8 where the flag says so, else what Info-ZIP's extra
 * field says, else UTF-8 where the bytes are (zips of macOS and of unix have no flag), else code page 437, as Python's
 * zipfile takes it. No two different names become one by this.
 *
 * Backslashes are slashes in a name that Windows made, as unzip takes them.
 *
 * @throws InvalidArchiveError for a name that is not what its flag says
 */
export function decodeEntryName(entry: ZipEntry): EntryName {
  const { text, encoding } = decodeName(entry);
  return { text: MADE_ON_WINDOWS.has(entry.madeOn) ? text.replaceAll('\\', '/') : text, encoding };
}

function decodeName({ name, extra, flags }: ZipEntry): EntryName {
  const text = utf8Text(name);
  if ((flags & FLAG_UTF8) !== 0) {
    if (text === undefined) {
      throw new InvalidArchiveError(`the name ${JSON.stringify(fromCp437(name))} is not UTF-8 as it says`);
    }
    return { text, encoding: 'utf8' };
  }
  const unicode = isAscii(name) ? undefined : unicodePath(name, extra);
  if (unicode !== undefined) return { text: unicode, encoding: unicode === text ? 'utf8' : 'extra' };
  return text === undefined ? { text: fromCp437(name), encoding: 'cp437' } : { text, encoding: 'utf8' };
}

/** What the extra field says; undefined where there is none, or where it belongs to another name. */
function unicodePath(name: Buffer, extra: Buffer): string | undefined {
  const field = extraField(extra, UNICODE_PATH);
  if (field === undefined || field.length < 5 || field[0] !== 1) return undefined;
  return field.readUInt32LE(1) === crc32(name) ? utf8Text(field.subarray(5)) : undefined;
}

function utf8Text(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function isAscii(bytes: Buffer): boolean {
  return bytes.every((byte) => byte < 0x80);
}

function fromCp437(bytes: Buffer): string {
  let text = '';
  for (const byte of bytes) text += byte < 0x80 ? String.fromCharCode(byte) : CP437.charAt(byte - 0x80);
  return text;
}
