import { type Entry, FILE } from '../../conformance/support/zip.js';

export { type Entry, FILE, FOLDER, LINK, zipOf } from '../../conformance/support/zip.js';

/** An executable script as an entry. */
export function script(name: string, text: string, mode = FILE | 0o755): Entry {
  return { name, data: `#!/bin/sh\n${text}\n`, mode };
}

/** The body of an init with an archive. */
export function archiveBody(zip: Buffer, more: Record<string, unknown> = {}): string {
  return JSON.stringify({ value: { binary: true, code: zip.toString('base64'), ...more } });
}

/** The body of an init with the text of a script. */
export function textBody(code: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({ value: { code, ...more } });
}
