/**
 * Loads the native library on this thread too. One that only a worker thread has loaded is taken out of memory
 * when the thread ends, with code of it still under way: the process crashes. So the main thread holds it
 * before it ends a worker or itself.
 */
export async function holdNativeLibrary(): Promise<void> {
  try {
    await import('./libc.js');
  } catch {
    // Where it can't be loaded no worker has it either.
  }
}
