/** Milliseconds on the machine's monotonic clock: `performance.now()` begins anew in each thread, this does not. */
export function clockMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
