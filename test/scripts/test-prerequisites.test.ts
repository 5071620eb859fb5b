import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { file } from '../support/repository.js';

const SCRIPT = file('scripts/test-prerequisites.sh');
/** What the script itself calls. */
const PROGRAMS = 'bash cat chmod date env grep mktemp rm sh stty tail timeout touch tr uname'.split(' ');
const HERE = ['python3', 'jq', 'curl', 'prometheus', 'promtool', 'chromium-headless-shell', 'qemu-aarch64'];
const ARM64_COMPILER = 'aarch64-linux-gnu-gcc';
/** Like dpkg it sets the terminal, which stops a process in the background. */
const APT_GET = `#!/bin/sh
if [ -c /dev/tty ]; then stty sane </dev/tty || true; fi
case "$*" in
  *--assume-no*) echo 'Need to get 12 MB of archives.'; echo 'After this operation, 34 MB of additional disk space will be used.'; exit 1 ;;
  *'install -y'*) echo "$*" >"$FOLDER/installed"; : >"$FOLDER/zip"; chmod +x "$FOLDER/zip" ;;
esac
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-prerequisites-'));
  for (const name of PROGRAMS) symlinkSync(programOf(name), join(folder, name));
  for (const name of [...HERE, ARM64_COMPILER, 'apt-cache']) put(name, '#!/bin/sh\n');
  put('gcc', '#!/bin/sh\necho /usr/lib/libc.a\n');
  put('id', '#!/bin/sh\necho 0\n');
  put('apt-get', APT_GET);
});
afterEach(() => rmSync(folder, { recursive: true }));

function programOf(name: string): string {
  return spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
}

function put(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), 0o755);
}

/** Runs it at a terminal of its own. */
function atTerminal(environment: Readonly<Record<string, string>> = {}): {
  status: number | null;
  text: string;
} {
  const { status, stdout } = spawnSync(
    programOf('script'),
    ['--quiet', '--return', '--command', `bash ${SCRIPT}`, '/dev/null'],
    {
      encoding: 'utf8',
      timeout: 30_000,
      env: { PATH: folder, FOLDER: folder, TERM: 'xterm', SHELL: join(folder, 'sh'), ...environment },
    },
  );
  return { status, text: stdout };
}

describe('the prerequisites of npm test, at a terminal', () => {
  it('says what it installs and how large that is, installs it and ends', () => {
    const { status, text } = atTerminal();
    expect(text).toMatch(/Installing zip\. Need to get 12 MB .*34 MB .*HYPERSKELETON_TEST_INSTALL=no/);
    expect(readFileSync(join(folder, 'installed'), 'utf8')).toMatch(/--no-install-recommends zip$/m);
    expect(status).toBe(0);
  });

  it('HYPERSKELETON_TEST_INSTALL=no installs nothing, and names what is missing', () => {
    const { status, text } = atTerminal({ HYPERSKELETON_TEST_INSTALL: 'no' });
    expect(text).toContain('The tests need these Debian packages: zip.');
    expect(existsSync(join(folder, 'installed'))).toBe(false);
    expect(status).toBe(1);
  });

  it('shows why an installation failed', () => {
    put('apt-get', '#!/bin/sh\necho "E: no space left"; exit 100\n');
    const { status, text } = atTerminal();
    expect(text).toMatch(/apt-get install failed:\s+E: no space left/);
    expect(text).toContain('The tests need these Debian packages: zip.');
    expect(status).toBe(1);
  });
});
