import type { Programs } from '../support/programs.js';

/** What every goal is measured with. */
export interface Setting {
  readonly programs: Programs;
  /** A folder for whatever is needed meanwhile. */
  readonly folder: string;
  /** How often what varies is measured. */
  readonly rounds: number;
  /** How long one round of load lasts. */
  readonly seconds: number;
  /** The command of a runtime to compare the cold start with. */
  readonly peer: string | undefined;
}

/** One line of the table. */
export interface Finding {
  readonly goal: string;
  readonly measured: string;
  readonly target: string;
  readonly pass: boolean;
  /** The numbers behind it, units in their names. */
  readonly numbers: Readonly<Record<string, unknown>>;
}

/** One of the things that the runtime must reach. */
export interface Goal {
  /** Its name on the command line. */
  readonly key: string;
  /** It takes so long that it is measured only where it is asked for. */
  readonly onlyByName?: boolean;
  measure(setting: Setting): Promise<Finding[]>;
}

/** What the action `hello` answers. */
export const HELLO = '{"hello":"world"}';
