import type { Programs } from '../support/programs.js';

/** What a goal's measurement found. */
export interface Finding {
  /** What was measured, in words. */
  readonly what: string;
  readonly measured: string;
  readonly target: string;
  readonly reached: boolean;
}

/** How much is measured. */
export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
}

/** Measures one goal, on servers of its own. */
export type Goal = (programs: Programs, effort: Effort) => Promise<Finding[]>;

export const MEGABYTE = 1_000_000;

export function megabytes(bytes: number): string {
  return `${(bytes / MEGABYTE).toFixed(1)} MB`;
}
