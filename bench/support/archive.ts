import AdmZip from 'adm-zip';

const EXECUTABLE = 0o755;

/** The body of POST /init for a zip of these files; all of them are executable. */
export function initBody(files: Readonly<Record<string, string | Buffer>>): string {
  const zip = new AdmZip();
  for (const [name, content] of Object.entries(files)) {
    zip.addFile(name, Buffer.from(content), '', EXECUTABLE);
  }
  return JSON.stringify({ value: { binary: true, code: zip.toBuffer().toString('base64') } });
}
