// Required before the server: tells at its end which modules were loaded.
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { isMainThread } = require('node:worker_threads');

if (isMainThread) {
  process.on('exit', () =>
    writeFileSync(join(process.env.TMPDIR, 'modules'), Object.keys(require.cache).join('\n')),
  );
}
