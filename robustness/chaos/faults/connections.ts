import { exchange } from '../../fuzz/http-client.js';
import { judge } from '../../fuzz/http-judge.js';
import { PRODUCTIONS } from '../../fuzz/http-productions.js';
import { pick } from '../../support/random.js';
import type { Fault } from '../fault.js';

const NAMES = ['cut-anywhere', 'cut-chunks', 'announced-only', 'left-after-request', 'kept-open'] as const;

/** Clients send half a request, or leave while it is run. */
export const connectionsDropped: Fault = {
  name: 'connections-dropped',
  inject: async (session, random) => {
    const { ledger, protocol, subject } = session;
    const name = pick(random, NAMES);
    const made = PRODUCTIONS[name]?.({ random, protocol, issue: (mayRun) => ledger.issue(mayRun) });
    if (made === undefined) throw new Error(`there is no production ${name}`);
    const one = { name, ...made };
    for (const { token } of one.tokens) session.remember(token, { name, replay: undefined });
    const came = await exchange(subject.port, one, 100);
    judge(session, one, came, (kind, detail) => session.report(kind, detail));
  },
};
