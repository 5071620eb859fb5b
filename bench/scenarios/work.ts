import type { Exchange, ExchangeSource } from '../load/exchange.js';
import type { ActionPlace, ActionProtocol } from './definition.js';

/** What `bench/c/work.c` is asked to do. */
interface WorkArguments {
  readonly burnMs?: number;
  readonly sleepMs?: number;
  readonly logLines?: number;
  readonly resultBytes?: number;
  readonly dataBytes?: number;
}

/** The program that does what its arguments ask for, for either protocol. */
export function workAction({ programs }: ActionPlace, protocol: ActionProtocol): Promise<string> {
  return Promise.resolve(protocol === 'actionloop' ? programs.workLoop : programs.work);
}

let tokens = 0;

/**
 * Exchanges that each carry a token of their own, which the answer must bring back: an answer that went to the
 * wrong request is found. The kinds of work take turns.
 */
export function workExchanges(...kinds: readonly WorkArguments[]): ExchangeSource {
  const texts = kinds.map(({ dataBytes = 0, resultBytes = 0, ...rest }) => ({
    // The token comes first, the long text last: the action searches from the front.
    rest: JSON.stringify({ ...rest, resultBytes }).slice(1, -1),
    data: 'x'.repeat(dataBytes),
    begin: `{"bytes":${dataBytes},"data":"${'x'.repeat(resultBytes)}","token":"`,
  }));
  let turn = 0;
  return {
    constant: false,
    next(): Exchange {
      const kind = texts[turn++ % texts.length];
      if (kind === undefined) throw new RangeError('no kind of work');
      const token = `t${tokens++}`;
      const expected = `${kind.begin}${token}"}`;
      return {
        body: `{"value":{"token":"${token}",${kind.rest},"data":"${kind.data}"}}`,
        check: (answer) => answer.trimEnd() === expected,
      };
    },
  };
}
