/** The buckets of the histograms: few enough to be stored for every container, fine where the values lie. */

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/**
 * A clone of a static program takes half a millisecond in all: some tens of microseconds in the queue, one to two tenths
 * of a millisecond until it runs, and as much again until it has ended. Started by posix_spawn it takes one to two
 * milliseconds, a script a few to some tens, a timeout a minute or five.
 */
export const ACTIVATION_SECONDS = [
  0.00005, 0.0001, 0.0002, 0.0003, 0.0005, 0.0007, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2,
  0.5, 1, 2, 5, 10, 30, 60, 300,
];

/** A script is installed in a few milliseconds, an archive of 40 MB in a second. */
export const INIT_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60];

/** The platform's limit for arguments and results is one MiB, 48 MiB for code, unless raised (C-PLAT-10). */
export const PAYLOAD_BYTES = [
  64,
  256,
  KIB,
  4 * KIB,
  16 * KIB,
  64 * KIB,
  256 * KIB,
  MIB,
  4 * MIB,
  16 * MIB,
  64 * MIB,
];
export const CODE_BYTES = [KIB, 16 * KIB, 128 * KIB, MIB, 4 * MIB, 16 * MIB, 48 * MIB, 128 * MIB];

/** A static program needs one or two MiB, an interpreter ten to a hundred; a container has 256 by default. */
export const RESIDENT_BYTES = [
  MIB,
  2 * MIB,
  4 * MIB,
  8 * MIB,
  16 * MIB,
  32 * MIB,
  64 * MIB,
  128 * MIB,
  256 * MIB,
  512 * MIB,
  GIB,
  4 * GIB,
];

/** A prepared process is a clone: some hundred microseconds. */
export const REFILL_SECONDS = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1];

/** Making the page takes about a millisecond, more where thousands of descriptors are open; 50 is the most allowed. */
export const SCRAPE_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1];
