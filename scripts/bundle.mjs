// Joins the compiled modules of the server into a few files for the main thread and for the workers: finding and
// reading some hundred small ones is a good part of a cold start. Native libraries, and what is loaded on demand,
// stay packages of their own.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { LOADED_PACKAGES } from './loaded-packages.mjs';
import { noticesOf } from './notices.mjs';
import { copyUws } from './uws.mjs';

// piscina asks for the last one only where threads are to be nicer than their process, which ours are not.
const external = [/^node:/, ...LOADED_PACKAGES, '@napi-rs/nice'];

const standIn = (name) => fileURLToPath(new URL(`bundle-stand-ins/${name}.cjs`, import.meta.url));

/** What prom-client's main module loads besides. */
const promClient = {
  name: 'prom-client',
  resolveId(source, importer) {
    const [, name] = /^\.\/(?:lib\/)?(pushgateway|cluster|summary)$/.exec(source) ?? [];
    return name !== undefined && importer?.includes('/prom-client/') ? standIn(name) : null;
  },
};

/** The front end's binaries lie beside the bundle (scripts/uws.mjs); every chunk lies one folder deep. */
const uws = {
  name: 'uws',
  resolveId: (source) =>
    source === 'uWebSockets.js' ? { id: '../uWebSockets/uws.js', external: 'absolute' } : null,
};

const bundle = await rolldown({
  input: {
    main: 'dist/src/main.js',
    'threads/entry': 'dist/src/threads/entry.js',
    'action/unpack-thread': 'dist/src/action/unpack-thread.js',
    'code-cache': 'dist/src/code-cache.js',
    // piscina looks for its side of a thread beside itself.
    'chunks/worker': 'node_modules/piscina/dist/worker.js',
  },
  external,
  resolve: {
    alias: { 'mime-types': standIn('mime-types'), busboy: standIn('busboy') },
  },
  plugins: [promClient, uws],
  platform: 'node',
  logLevel: 'warn',
});
const { output } = await bundle.write({
  dir: 'dist/server',
  format: 'cjs',
  // A script that V8 takes from the code cache can't import.
  dynamicImportInCjs: false,
  // Only what nobody executes goes: a stack trace still names what it passed.
  minify: { mangle: false, compress: false, codegen: { removeWhitespace: true } },
  entryFileNames: '[name].js',
  chunkFileNames: 'chunks/[name].js',
});
await bundle.close();
// The project's own package.json says that .js is ESM; loading CommonJS spares each thread the start of that loader.
writeFileSync('dist/server/package.json', '{"type":"commonjs"}\n');
copyUws();
const modules = output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []));
writeFileSync('dist/server/NOTICES.txt', noticesOf(modules));
