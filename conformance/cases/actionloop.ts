import type { ConformanceCase } from '../case.js';
export const actionloopCases: readonly ConformanceCase[] = [];
