import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import Module from 'node:module';
import { join, sep } from 'node:path';
import { constants, Script } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

/**
 * Preloaded (`node -r`) in every thread: gives V8 the compiled form of the server's own scripts, which it would make
 * anew at each start. Compiling is a quarter of a cold start.
 *
 * `npm run build` records it, by running the server once. V8 takes it only from the same version with the same flags;
 * a script that has another size or time than the recorded one is compiled as ever, and so is everything where there
 * is no recording. Node has this built in from 22.1 on, for directories that it may write to.
 */

/** By what a script is known again. */
interface Stamp {
  readonly sizeBytes: number;
  /** In whole seconds, for layers of an image keep no more. */
  readonly modifiedSeconds: number;
}

interface Entry extends Stamp {
  readonly from: number;
  readonly to: number;
}

type Index = Readonly<Record<string, Entry>>;

interface Compiler {
  _compile(this: NodeJS.Module, content: string, filename: string): unknown;
}

/** Set while it is recorded: the folder, which gets a file of that name once all is done that is to be recorded. */
const RECORD_TO = process.env.HYPERSKELETON_RECORD_CODE_CACHE;
const RECORD_NOW = 'now';
const POLL_INTERVAL_MS = 50;
/** What Node puts around a script. */
const [BEFORE, AFTER] = (Module as unknown as { wrapper: readonly [string, string] }).wrapper;
const INDEX_LENGTH_BYTES = 4;

/** The folder that scripts are named from: the installation. */
const packageFolder = join(__dirname, '..', '..') + sep;
const file = `${isMainThread ? 'main' : 'worker'}.cache`;
const compiler = (Module as unknown as { prototype: Compiler }).prototype;
const originalCompile = compiler._compile;

if (RECORD_TO === undefined) useCache(join(__dirname, 'cache', file));
else recordCache(RECORD_TO);

function useCache(path: string): void {
  let recorded: Buffer;
  let index: Index;
  let blobsAt: number;
  try {
    recorded = readFileSync(path);
    blobsAt = INDEX_LENGTH_BYTES + recorded.readUInt32LE(0);
    index = JSON.parse(recorded.toString('latin1', INDEX_LENGTH_BYTES, blobsAt)) as Index;
  } catch {
    return;
  }
  compiler._compile = function (content, filename) {
    const entry = filename.startsWith(packageFolder)
      ? index[filename.slice(packageFolder.length)]
      : undefined;
    if (entry === undefined || !isSame(filename, entry)) return originalCompile.call(this, content, filename);
    const cachedData = recorded.subarray(blobsAt + entry.from, blobsAt + entry.to);
    return runScript(this, scriptOf(content, filename, cachedData), filename);
  };
}

function recordCache(folder: string): void {
  const scripts = new Map<string, Script>();
  compiler._compile = function (content, filename) {
    if (!isServerScript(content, filename)) return originalCompile.call(this, content, filename);
    const script = scriptOf(content, filename);
    scripts.set(filename, script);
    return runScript(this, script, filename);
  };
  const timer = setInterval(() => {
    if (!existsSync(join(folder, RECORD_NOW))) return;
    clearInterval(timer);
    write(join(folder, file), scripts);
  }, POLL_INTERVAL_MS).unref();
}

/** V8 has compiled what was executed, and hands out just that. */
function write(path: string, scripts: ReadonlyMap<string, Script>): void {
  const index: Record<string, Entry> = {};
  const blobs: Buffer[] = [];
  let from = 0;
  for (const [filename, script] of scripts) {
    const blob = script.createCachedData();
    const to = from + blob.length;
    index[filename.slice(packageFolder.length)] = { ...stampOf(filename), from, to };
    blobs.push(blob);
    from = to;
  }
  const text = Buffer.from(JSON.stringify(index), 'latin1');
  const length = Buffer.alloc(INDEX_LENGTH_BYTES);
  length.writeUInt32LE(text.length);
  writeFileSync(`${path}.new`, Buffer.concat([length, text, ...blobs]));
  renameSync(`${path}.new`, path);
}

/** Node takes a first line for the shell away, and knows it only at the very begin. */
function isServerScript(content: string, filename: string): boolean {
  return filename.startsWith(packageFolder) && !content.startsWith('#!');
}

function stampOf(filename: string): Stamp {
  const { size, mtimeMs } = statSync(filename);
  return { sizeBytes: size, modifiedSeconds: Math.floor(mtimeMs / 1000) };
}

function isSame(filename: string, recorded: Entry): boolean {
  const { sizeBytes, modifiedSeconds } = stampOf(filename);
  return sizeBytes === recorded.sizeBytes && modifiedSeconds === recorded.modifiedSeconds;
}

function scriptOf(content: string, filename: string, cachedData?: Buffer): Script {
  const columnOffset = -BEFORE.length;
  return new Script(BEFORE + content + AFTER, {
    filename,
    columnOffset,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(cachedData !== undefined && { cachedData }),
  });
}

/** As Node's own loader does it. */
function runScript(module: NodeJS.Module, script: Script, filename: string): unknown {
  const body = script.runInThisContext() as (...given: unknown[]) => unknown;
  const require = Module.createRequire(filename);
  return body.call(module.exports, module.exports, require, module, filename, join(filename, '..'));
}
