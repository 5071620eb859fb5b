/** How a server is started. */
export interface StartCommand {
  readonly command: readonly string[];
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Where a server is started. */
export interface StartPlace {
  readonly port: number;
  /** A folder of its own, gone after the run. */
  readonly folder: string;
  /** The action folder, empty. */
  readonly actionRoot: string;
  /** The program of the action, for a target that is told at its start. */
  readonly program: string;
  /** A folder with a copy of Node, to be first on PATH: nobody else maps that file. */
  readonly nodeFolder: string;
}

/** Whether a target is on this machine, and what starts it. */
export type Presence =
  | {
      readonly present: true;
      readonly version?: string;
      /** For the report: how it is started, with {port}, {actionRoot} and {program} in place of what varies. */
      readonly command?: readonly string[];
      /** Absent for a target that runs already and for the C loop. */
      readonly start?: (place: StartPlace) => StartCommand;
    }
  | { readonly present: false; readonly reason: string };

/** Something to measure. One file of this folder each. */
export interface TargetDefinition {
  readonly id: string;
  readonly title: string;
  /** One or two sentences: what it is, how its requests map to the contract. */
  readonly description: string;
  readonly protocol: 'classic' | 'actionloop' | 'plain' | 'none';
  readonly engine?: string;
  /** Whether it is no runtime but a limit. */
  readonly reference: boolean;
  /** Whether it is somebody else's: what fails in it is a finding, no failure of the run. */
  readonly peer: boolean;
  /** The most activations at once, where that is known to be one. */
  readonly concurrency?: number;
  /** How the action gets into it: by POST /init, named at the start, or not at all. */
  readonly init: 'post' | 'start' | 'fixed';
  /** Whether all of the action's stdout is the answer, so that it can't log there. */
  readonly stdoutIsAnswer?: boolean;
  /** The port of its requests, where it can't be chosen. */
  readonly port?: number;
  /** All ports that can't be chosen, and must be free. */
  readonly fixedPorts?: readonly number[];
  /** Of a target that runs already. */
  readonly url?: string;
  /** Whether `--quick` measures it. */
  readonly quick: boolean;
  find(): Promise<Presence>;
}
