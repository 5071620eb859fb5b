import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initBodyOf } from '../../src/pack/init-body-of.js';
import { zipOf } from '../../src/pack/zip-of.js';
import type { CheckContext } from './check.js';
import { Container } from './container.js';
import type { ContainerEngine } from './engine.js';

const EXECUTABLE = 0o755;

/** A bench for one check, and what clears it afterwards. */
export function createCheckContext(
  engine: ContainerEngine,
  images: { readonly slim: string; readonly full: string },
): { context: CheckContext; clear: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-check-'));
  const containers: Container[] = [];
  const tags: string[] = [];
  const file = (name: string, content: string | Buffer): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    chmodSync(path, EXECUTABLE);
    return path;
  };
  const context: CheckContext = {
    ...images,
    file,
    run: (image, flags, ...command) =>
      engine.run('run', '--rm', '--network', 'host', ...flags, image, ...command),
    serve: async (options) => {
      const container = await Container.start(engine, options);
      containers.push(container);
      return container;
    },
    derive: (files, args) => {
      const context = mkdtempSync(join(folder, 'context-'));
      for (const [name, text] of Object.entries(files))
        writeFileSync(join(context, name), text, { mode: EXECUTABLE });
      const tag = `localhost/hyperskeleton-check-derived:${tags.length}`;
      engine.build({ folder: context, tag, ...(args !== undefined && { args }) });
      tags.push(tag);
      return tag;
    },
    install: async (container, exec) =>
      container.post('/init', initBodyOf(await zipOf(file('exec', exec)), 'checked', 'main')),
  };
  const clear = (): void => {
    for (const container of containers) container.remove();
    for (const tag of tags) engine.run('rmi', '--force', tag);
    rmSync(folder, { recursive: true, force: true });
  };
  return { context, clear };
}
