import { createHash } from 'node:crypto';
import { seededRandom } from '../../bench/measure/statistics.js';

/** Random numbers in [0, 1) that a seed makes the same each time. */
export type RandomSource = () => number;

/** A source of its own for each part of a tool: what one draws does not shift what another one draws. */
export function randomFor(seed: number, ...parts: readonly (string | number)[]): RandomSource {
  const digest = createHash('sha1')
    .update(`${seed} ${parts.join(' ')}`)
    .digest();
  return seededRandom(digest.readUInt32LE(0));
}

/** A whole number from 0 to below the limit. */
export function below(random: RandomSource, limit: number): number {
  return Math.floor(random() * limit);
}

/** One of the choices, which are not empty. */
export function pick<Choice>(random: RandomSource, choices: readonly Choice[]): Choice {
  return choices[below(random, choices.length)] as Choice;
}

export function bytesOf(random: RandomSource, count: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: count }, () => below(random, 256)));
}
