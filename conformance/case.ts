import type { Server } from './target/server.js';
import type { StartedServer, StartOptions } from './target/started-server.js';

/** The protocols that the contract has. */
export const PROTOCOLS = ['classic', 'actionloop', 'knative'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/**
 * Whom a case holds to account: `peer` is what the runtimes of the Apache project do as well, `better` what
 * they are known to do otherwise.
 */
export type Kind = 'peer' | 'better';

/**
 * What a case can't do without: `start` the command that starts a server, `action` the shared server with the
 * suite's own action in it, `gcc` a C compiler, `root` the rights of the superuser.
 */
type Need = 'start' | 'action' | 'gcc' | 'root';

/** What a case works with; servers that it started end with it. */
export interface Context {
  readonly protocol: Protocol;
  /** A folder of the case's own, removed with it. */
  readonly scratch: string;
  /** Starts a server that nobody else uses. Needs `start`. */
  start(options?: StartOptions): Promise<StartedServer>;
  /** The server that cases use one after the other, and leave as it was. */
  shared(): Promise<Server>;
  /** The same with its logs and its folder. Needs `start`. */
  sharedStarted(): Promise<StartedServer>;
}

/** One observable fact of one rule. */
export interface ConformanceCase {
  /** The rule's number, as in docs/reference/contract.md. */
  readonly rule: string;
  readonly title: string;
  readonly protocol: Protocol;
  readonly kind: Kind;
  readonly needs: readonly Need[];
  /** Resolves where the target keeps the rule; otherwise throws what was expected and what came. */
  run(context: Context): Promise<void>;
}

type Builder<Subject> = (
  rule: string,
  kind: Kind,
  title: string,
  run: (subject: Subject) => Promise<void>,
  needs?: readonly Need[],
) => ConformanceCase;

/** The ways to write a case of a protocol, from what asks least of the target to what asks most. */
interface Builders {
  /** Any running server will do, and no action is run. */
  readonly wire: Builder<Server>;
  /** The suite's action has to be in the server. */
  readonly action: Builder<Server>;
  /** The same, and the case reads logs or files. */
  readonly logged: Builder<StartedServer>;
  /** The case starts servers of its own. */
  readonly fresh: Builder<Context>;
}

/** Builders of the cases of one protocol. */
export function casesOf(protocol: Protocol): Builders {
  const build =
    <Subject>(always: readonly Need[], subject: (context: Context) => Promise<Subject>): Builder<Subject> =>
    (rule, kind, title, run, needs = []) => ({
      rule,
      kind,
      title,
      protocol,
      needs: [...always, ...needs],
      run: async (context) => run(await subject(context)),
    });
  return {
    wire: build([], (context) => context.shared()),
    action: build(['action'], (context) => context.shared()),
    logged: build(['action', 'start'], (context) => context.sharedStarted()),
    fresh: build(['start'], (context) => Promise.resolve(context)),
  };
}
