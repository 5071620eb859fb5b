/**
 * Overwrites bytes that nobody needs any more: what a request brought, API keys among it, is not to lie in memory until
 * the next use of it. A buffer that has been moved to another thread has no bytes here, and stays as it is.
 */
export function wipe(bytes: Uint8Array): void {
  if (bytes.byteLength > 0) bytes.fill(0);
}
