import { isUtf8 } from 'node:buffer';
import type { Failure } from '../errors.js';
import { JsonTextError, skipBlanks, skipValue } from '../json-text.js';

const LINE_FEED = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * The line that an ActionLoop process reads for an activation: the whole body without line feeds, and one at
 * the end (C-AL-13). What is not JSON in UTF-8 never reaches it (C-AL-20).
 */
export function encodeRequestLine(body: Uint8Array): Buffer | Failure {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const text = bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? bytes.subarray(3) : bytes;
  const problem = problemOf(text);
  if (problem !== undefined) return { code: 'run_bad_json', detail: problem };
  const line = Buffer.allocUnsafe(text.length + 1);
  let length = text.indexOf(LINE_FEED) === -1 ? text.copy(line) : 0;
  if (length === 0) for (const byte of text) if (byte !== LINE_FEED) line[length++] = byte;
  line[length++] = LINE_FEED;
  return line.subarray(0, length);
}

function problemOf(text: Buffer): string | undefined {
  if (!isUtf8(text)) return 'it is not valid UTF-8';
  try {
    const end = skipValue(text, skipBlanks(text, 0, text.length), text.length);
    return skipBlanks(text, end, text.length) === text.length
      ? undefined
      : `text after the JSON value at byte ${end}`;
  } catch (error) {
    if (error instanceof JsonTextError) return error.message;
    throw error;
  }
}
