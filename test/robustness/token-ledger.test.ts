import { describe, expect, it } from 'vitest';
import { TokenLedger } from '../../robustness/check/token-ledger.js';

/** A ledger and the kinds of what it has reported. */
function ledger(): { all: TokenLedger; kinds: string[] } {
  const kinds: string[] = [];
  return { all: new TokenLedger((kind) => kinds.push(kind)), kinds };
}

function runs(all: TokenLedger, token: string): void {
  all.ran(token);
  all.logged('stdout', token);
  all.logged('stderr', token);
}

describe('the ledger of tokens', () => {
  it('reports nothing of a request that was run once, logged and answered, in whatever order', () => {
    const { all, kinds } = ledger();
    const [one, other] = [all.issue(), all.issue()];
    runs(all, one);
    all.succeeded(one, one);
    all.succeeded(other, other);
    expect(all.isSettled).toBe(false);
    runs(all, other);
    expect(all.isSettled).toBe(true);
    all.settle();
    expect(kinds).toEqual([]);
  });

  it('reports answers of others, second runs, and runs of what must not run', () => {
    const { all, kinds } = ledger();
    const [one, other] = [all.issue(), all.issue()];
    all.succeeded(one, other);
    expect(kinds).toEqual(['swapped']);
    all.succeeded(other, 'something else');
    expect(kinds.at(-1)).toBe('wrong-answer');
    runs(all, one);
    all.ran(one);
    expect(kinds.at(-1)).toBe('run-twice');
    all.ran(all.issue('run-though-incomplete'));
    expect(kinds.at(-1)).toBe('run-though-incomplete');
    all.ran(all.issue('smuggled'));
    expect(kinds.at(-1)).toBe('smuggled');
    const refused = all.issue();
    all.failed(refused, 'overloaded');
    all.ran(refused);
    expect(kinds.at(-1)).toBe('run-though-refused');
  });

  it('reports what is missing once all is over', () => {
    const { all, kinds } = ledger();
    const [unrun, unlogged, unanswered] = [all.issue(), all.issue(), all.issue()];
    all.succeeded(unrun, unrun);
    all.ran(unlogged);
    all.succeeded(unlogged, unlogged);
    expect(unanswered).not.toBe('');
    all.settle();
    expect(kinds).toEqual(['not-run', 'log-line', 'log-line', 'log-line', 'log-line', 'no-answer']);
  });

  it("knows tokens that mutation has changed as nobody's", () => {
    const { all, kinds } = ledger();
    const token = all.issue();
    for (let at = 0; at < token.length; at++) {
      const changed = `${token.slice(0, at)}${token[at] === '0' ? '1' : '0'}${token.slice(at + 1)}`;
      expect(all.knows(changed)).toBe(false);
      all.ran(changed);
    }
    expect(kinds).toEqual([]);
  });
});
