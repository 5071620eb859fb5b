import { spawnSync } from 'node:child_process';
import type { ConformanceCase } from './case.js';
import type { Target } from './target/serial-cases.js';

let compiler: boolean | undefined;

/** What the case needs and this machine or target lacks, as the report says it; undefined where nothing. */
export function missingNeed(one: ConformanceCase, target: Target): string | undefined {
  if (one.needs.includes('start') && target.command === undefined) return '--start';
  if (one.needs.includes('root') && process.getuid?.() !== 0) return 'root';
  if (one.needs.includes('gcc') && !hasCompiler()) return 'gcc';
  return undefined;
}

function hasCompiler(): boolean {
  compiler ??= spawnSync('gcc', ['--version'], { stdio: 'ignore' }).status === 0;
  return compiler;
}
