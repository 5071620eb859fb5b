import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { BenchReport } from '../report/schema.js';
import { PACKAGE_JSON, PROJECT } from '../support/paths.js';

/** Packages whose version bears on the numbers. */
const PACKAGES = [
  'hyper-express',
  'uWebSockets.js',
  'koffi',
  'piscina',
  'prom-client',
  'autocannon',
  'hdr-histogram-js',
];

/** Where numbers were taken: without it they say little. */
export function describeMachine(): BenchReport['machine'] {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    os: systemName(),
    node: process.version,
    packages: { hyperskeleton: versionIn(PACKAGE_JSON) ?? 'unknown', ...packageVersions() },
    ...commitFacts(),
  };
}

function systemName(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform;
  } catch {
    return process.platform;
  }
}

function packageVersions(): Record<string, string> {
  const found = PACKAGES.flatMap((name) => {
    const version = versionIn(join(PROJECT, 'node_modules', name, 'package.json'));
    return version === undefined ? [] : [[name, version] as const];
  });
  return Object.fromEntries(found);
}

function versionIn(file: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  } catch {
    return undefined;
  }
}

function commitFacts(): { commit?: string; dirty?: boolean } {
  if (!existsSync(join(PROJECT, '.git'))) return {};
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: PROJECT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return { commit: git('rev-parse', 'HEAD'), dirty: git('status', '--porcelain') !== '' };
  } catch {
    return {};
  }
}
