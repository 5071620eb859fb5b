/**
 * Loads the native library on this thread too. A library that only a worker thread has loaded is unloaded when the
 * thread ends, possibly while its code runs, and the process crashes. So the main thread pins it before it ends a
 * worker or itself.
 */
export async function pinNativeLibrary(): Promise<void> {
  try {
    await import('./libc.js');
  } catch {
    // Where it can't be loaded no worker has it either.
  }
}
