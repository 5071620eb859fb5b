/** A request and what its answer must be. */
export interface Exchange {
  /** The body of POST /run. */
  readonly body: string;
  /** Whether this body is the right answer to it. */
  check(answer: string): boolean;
}

/** Where a load gets its requests from. */
export interface ExchangeSource {
  /** Whether all exchanges are the same one: the load can then be sent without building each. */
  readonly constant: boolean;
  next(): Exchange;
}

/** Where requests go. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** The path of a run; `/run` by the contract. */
  readonly path: string;
}

/** How many answers were wrong, by what was wrong with them. */
export type ErrorCounts = Record<string, number>;

/** Counts one more error of a kind. */
export function countError(errors: ErrorCounts, kind: string, times = 1): void {
  if (times > 0) errors[kind] = (errors[kind] ?? 0) + times;
}

/** The sum over all kinds. */
export function totalErrors(errors: ErrorCounts): number {
  return Object.values(errors).reduce((sum, count) => sum + count, 0);
}
