/** The body of POST /init that uploads an archive. */
export function initBodyOf(
  zip: Buffer,
  name: string,
  main: string,
  environment: Readonly<Record<string, string>> = {},
): string {
  const env = Object.keys(environment).length === 0 ? {} : { env: environment };
  return JSON.stringify({ value: { name, main, binary: true, code: zip.toString('base64'), ...env } });
}
