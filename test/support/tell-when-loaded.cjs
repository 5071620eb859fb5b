// Required in each thread of a server: makes the file `$TMPDIR/loaded` once a worker thread has loaded adm-zip.
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { isMainThread } = require('node:worker_threads');

if (!isMainThread) {
  const timer = setInterval(() => {
    if (!Object.keys(require.cache).some((path) => path.includes('adm-zip'))) return;
    clearInterval(timer);
    writeFileSync(join(process.env.TMPDIR, 'loaded'), '');
  }, 10);
  timer.unref();
}
