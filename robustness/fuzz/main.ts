import { readFileSync } from 'node:fs';
import { runTool, type Tool, type ToolContext } from '../tool.js';
import { fuzzHttp, type HttpRound, replayHttp, type StoredHttp } from './http.js';
import { fuzzInits, replayInit, type StoredInit } from './init-round.js';

const MIN_ROUND_MS = 4000;
const MAX_ROUND_MS = 30_000;
const MINUTE_MS = 60_000;

/** Rounds over protocols, engines, front ends and parts in turn, so that a long run has each of them often. */
function* rounds({ options, wants }: ToolContext): Generator<HttpRound & { part: 'http' | 'inits' }> {
  const isForeign = options.start !== undefined;
  const roundMs = Math.min(MAX_ROUND_MS, Math.max(MIN_ROUND_MS, (options.minutes * MINUTE_MS) / 12));
  for (let number = 0; ; number++) {
    for (const protocol of options.protocols) {
      const at = number + options.protocols.indexOf(protocol);
      const engine = options.engines[at % options.engines.length] ?? 'auto';
      const http = options.frontEnds[at % options.frontEnds.length] ?? 'auto';
      const cell = { protocol, engine };
      if (wants('http')) yield { part: 'http', cell: { ...cell, http }, number, roundMs };
      if (wants('inits') && protocol !== 'knative' && !isForeign)
        yield { part: 'inits', cell, number, roundMs };
    }
  }
}

const fuzz: Tool = {
  name: 'fuzz',
  parts: ['http', 'inits'],
  async run(context) {
    for (const round of rounds(context)) {
      if (context.isOver()) return;
      await (round.part === 'http' ? fuzzHttp : fuzzInits)(context, round);
    }
  },
  async replay(context, replay) {
    const stored = replay as StoredHttp | StoredInit;
    await (stored.part === 'http' ? replayHttp(context, stored) : replayInit(context, stored));
  },
};

await runTool(fuzz, (path) => (JSON.parse(readFileSync(path, 'utf8')) as { replay: unknown }).replay);
