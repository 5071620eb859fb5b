import type { ConformanceCase } from '../case.js';
export const knativeCases: readonly ConformanceCase[] = [];
