import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { file } from '../support/repository.js';

describe('actionproxy.py of the image', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-actionproxy-'));
    writeFileSync(join(folder, 'hyperskeleton'), '#!/bin/sh\necho "started: $*"\n', { mode: 0o755 });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function python(...args: string[]): { status: number | null; stdout: string; stderr: string } {
    const env = {
      PATH: `${folder}:/usr/bin:/bin`,
      PYTHONPATH: file('deploy/image'),
      PYTHONDONTWRITEBYTECODE: '1',
    };
    return spawnSync('/usr/bin/python3', args, { env, encoding: 'utf8' });
  }

  it('becomes the server where it is started', () => {
    expect(python('-u', file('deploy/image/actionproxy.py')).stdout).toBe('started: serve\n');
  });

  it('is an error where it is imported: a subclass would never be called', () => {
    const { status, stdout, stderr } = python('-c', 'from actionproxy import ActionRunner, main, setRunner');
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain('subclasses of ActionRunner are not supported');
  });
});
