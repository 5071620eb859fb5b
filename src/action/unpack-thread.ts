import { parentPort, workerData } from 'node:worker_threads';
import { failureOf } from './archive/errors.js';
import type { UnpackAnswer, UnpackTask } from './unpack.js';

/** What a thread does that is started to unpack one archive (src/action/unpack.ts). */
async function unpack({ format, packed, folder, limits }: UnpackTask): Promise<UnpackAnswer> {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
  try {
    if (format === 'zip') {
      const { unpackZip } = await import('./archive/unpack-zip.js');
      return { bytes: await unpackZip(bytes, folder, limits) };
    }
    const { unpackTarball } = await import('./archive/unpack-tar.js');
    return { bytes: await unpackTarball(bytes, folder, limits) };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

unpack(workerData as UnpackTask).then(
  (answer) => parentPort?.postMessage(answer),
  (error: unknown) => {
    throw error;
  },
);
