/** A straight line through measured points. */
interface Fit {
  readonly slope: number;
  /** The standard error of the slope. */
  readonly error: number;
}

/** The line with the least squares; undefined for fewer than three points or for points at one place. */
export function fitLine(xs: readonly number[], ys: readonly number[]): Fit | undefined {
  const count = xs.length;
  if (count < 3 || ys.length !== count) return undefined;
  const meanX = mean(xs);
  const meanY = mean(ys);
  let spread = 0;
  let common = 0;
  for (let i = 0; i < count; i++) {
    const dx = (xs[i] as number) - meanX;
    spread += dx * dx;
    common += dx * ((ys[i] as number) - meanY);
  }
  if (spread === 0) return undefined;
  const slope = common / spread;
  let squares = 0;
  for (let i = 0; i < count; i++) {
    const off = (ys[i] as number) - (meanY + slope * ((xs[i] as number) - meanX));
    squares += off * off;
  }
  return { slope, error: Math.sqrt(squares / (count - 2) / spread) };
}

/** Quantiles of Student's t, one-sided 99.9 %, by degrees of freedom from 1 on. */
const T_999 = [
  318.3, 22.33, 10.21, 7.17, 5.89, 5.21, 4.79, 4.5, 4.3, 4.14, 4.02, 3.93, 3.85, 3.79, 3.73, 3.69, 3.65, 3.61,
  3.58, 3.55,
] as const;
const T_999_BEYOND = 3.55;
const MIN_POINTS = 6;

/** Whether so many points are enough for {@link growthOf}. */
export function canJudge(points: number): boolean {
  return points - Math.floor(points / 3) >= MIN_POINTS;
}

/** What a resource did over time. */
interface Growth {
  /** From the first to the last point, along the fitted line. */
  readonly fitted: number;
  /** What it has grown by at least, with 99.9 % confidence; below 0 if it may have shrunk. */
  readonly atLeast: number;
}

/**
 * The growth of a resource over the later part of its points: the first third is the time in which caches fill.
 *
 * @returns undefined for fewer than six points after that: too few to tell growth from noise
 */
export function growthOf(xs: readonly number[], ys: readonly number[]): Growth | undefined {
  const from = Math.floor(xs.length / 3);
  const lateX = xs.slice(from);
  const lateY = ys.slice(from);
  if (lateX.length < MIN_POINTS) return undefined;
  const fit = fitLine(lateX, lateY);
  if (fit === undefined) return undefined;
  const span = (lateX.at(-1) as number) - (lateX[0] as number);
  const quantile = T_999[lateX.length - 3] ?? T_999_BEYOND;
  return { fitted: fit.slope * span, atLeast: (fit.slope - quantile * fit.error) * span };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
