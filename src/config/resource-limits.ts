import { type ResourceLimit, UNLIMITED } from '../os/rights.js';

interface Resource {
  readonly resource: number;
  readonly unit: 'bytes' | 'seconds' | 'microseconds' | 'count';
}

/** The names of prlimit(1), with the numbers and units of getrlimit(2). */
const RESOURCES: Readonly<Record<string, Resource>> = {
  cpu: { resource: 0, unit: 'seconds' },
  fsize: { resource: 1, unit: 'bytes' },
  data: { resource: 2, unit: 'bytes' },
  stack: { resource: 3, unit: 'bytes' },
  core: { resource: 4, unit: 'bytes' },
  rss: { resource: 5, unit: 'bytes' },
  nproc: { resource: 6, unit: 'count' },
  nofile: { resource: 7, unit: 'count' },
  memlock: { resource: 8, unit: 'bytes' },
  as: { resource: 9, unit: 'bytes' },
  locks: { resource: 10, unit: 'count' },
  sigpending: { resource: 11, unit: 'count' },
  msgqueue: { resource: 12, unit: 'bytes' },
  nice: { resource: 13, unit: 'count' },
  rtprio: { resource: 14, unit: 'count' },
  rttime: { resource: 15, unit: 'microseconds' },
};

/** What {@link parseResourceLimits} takes, in words. */
export const LIMITS_FORMAT =
  `a list as nproc=64,fsize=100M:1G,core=0: a name (${Object.keys(RESOURCES).join(', ')}), the soft limit and, ` +
  'behind a colon, a hard one that is not lower; each a whole number or `unlimited`, of bytes also with K, M or G';

const FACTORS: Readonly<Record<string, bigint>> = { '': 1n, K: 2n ** 10n, M: 2n ** 20n, G: 2n ** 30n };

/** Reads limits as `name=soft[:hard],…`; a hard limit that is not given is the soft one. Undefined: can't be read. */
export function parseResourceLimits(text: string): readonly ResourceLimit[] | undefined {
  if (text === '') return [];
  const limits = text.split(',').map(parseOne);
  const valid = limits.filter((limit) => limit !== undefined);
  const numbers = new Set(valid.map(({ resource }) => resource));
  return valid.length === limits.length && numbers.size === valid.length ? valid : undefined;
}

function parseOne(text: string): ResourceLimit | undefined {
  const [, name = '', first = '', second = first] = /^(\w+)=([^:]*)(?::(.*))?$/.exec(text.trim()) ?? [];
  const known = Object.hasOwn(RESOURCES, name) ? RESOURCES[name] : undefined;
  if (known === undefined) return undefined;
  const [soft, hard] = [amountOf(first, known), amountOf(second, known)];
  if (soft === undefined || hard === undefined || soft > hard) return undefined;
  return { resource: known.resource, soft, hard };
}

function amountOf(text: string, { unit }: Resource): bigint | undefined {
  if (text === 'unlimited') return UNLIMITED;
  const [, digits, suffix = ''] = /^(\d{1,15})([KMG]?)$/.exec(text) ?? [];
  if (digits === undefined || (suffix !== '' && unit !== 'bytes')) return undefined;
  return BigInt(digits) * (FACTORS[suffix] as bigint);
}
