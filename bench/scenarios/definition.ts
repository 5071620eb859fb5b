import type { ExchangeSource } from '../load/exchange.js';
import type { Programs } from '../support/programs.js';

/** The two ways in which a runtime and its action talk that scenarios know. */
export type ActionProtocol = 'classic' | 'actionloop';

/** How a scenario is loaded. */
type ScenarioLoad =
  /** Each connection sends again at once; `connections` where the scenario needs numbers of its own. */
  | { readonly kind: 'closed'; readonly connections?: readonly number[] }
  /** Fixed rates. */
  | { readonly kind: 'open'; readonly ratesPerSecond: readonly number[] }
  /** The highest rate that keeps the p99 below the limit. */
  | { readonly kind: 'capacity' }
  /** Fixed rates of so many times the capacity that was found just before, the lowest first. */
  | {
      readonly kind: 'overload';
      readonly factors: readonly number[];
      /** Left out at the begin of each round above the capacity. */
      readonly warmUpSeconds: number;
    }
  /** A new server each time, up to its first answer. */
  | { readonly kind: 'cold' }
  /** A new server each time, and POST /init of `paddingBytes` that don't compress. */
  | { readonly kind: 'init'; readonly paddingBytes: number };

/** What is measured, with what action, under what load. One file of this folder each. */
export interface ScenarioDefinition {
  readonly id: string;
  readonly title: string;
  /** One or two sentences: what the action does and what that shows. */
  readonly description: string;
  /** The shortest profile that has it. */
  readonly profile: 'quick' | 'default' | 'full';
  readonly load: ScenarioLoad;
  /** A round is no shorter: answers that take long would miss it. */
  readonly leastSeconds?: number;
  readonly protocols: readonly ActionProtocol[];
  /** Whether the references take part, which can only say hello: the C loop, the bare front end. */
  readonly references?: boolean;
  /** Whether the closed loop makes a connection for each request. */
  readonly freshConnections?: boolean;
  /** Whether the action writes to stdout what is no result. */
  readonly writesLogs?: boolean;
  /** Why it can't be run here, such as a missing interpreter; undefined when it can. */
  missing?(): string | undefined;
  /** Writes or finds the program of the action. */
  action(place: ActionPlace, protocol: ActionProtocol): Promise<string>;
  /** Each load gets a source of its own. */
  exchanges(): ExchangeSource;
}

/** What actions are made from. */
export interface ActionPlace {
  readonly programs: Programs;
  /** For what is written. */
  readonly folder: string;
}
