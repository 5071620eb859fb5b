import { closestWord } from './closest-word.js';
import { SETTINGS } from './settings.js';

const PREFIX = 'HYPERSKELETON_';
/** Of the launcher, the build, the tests and the benchmarks: no settings of the server. */
const NOT_SETTINGS =
  /^HYPERSKELETON_(SELF|SERVER|CHANGED|ENTRIES|ENTRY.*|LIMIT|LC_ALL|SOFT_OPEN_FILES|RECORD_CODE_CACHE|(TEST|BENCH|CONFORMANCE|CHAOS|SOAK|ZOO)(_.*)?)$/;

/** A variable that looks like a setting and is none. */
interface UnknownVariable {
  readonly name: string;
  /** The setting that was probably meant. */
  readonly meant?: string;
}

/** Variables named as the server's settings are that it does not know: nobody else would say that they do nothing. */
export function unknownVariables(
  environment: Readonly<Record<string, string | undefined>>,
): readonly UnknownVariable[] {
  const known = Object.values(SETTINGS).flatMap(({ env }): readonly string[] => env);
  return Object.keys(environment)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name) && !NOT_SETTINGS.test(name))
    .map((name) => {
      const meant = closestWord(name, known);
      return { name, ...(meant !== undefined && { meant }) };
    });
}

/** The same as a sentence. */
export function describeUnknown({ name, meant }: UnknownVariable): string {
  return `${name} is no setting${meant === undefined ? '' : `, did you mean ${meant}?`}`;
}
