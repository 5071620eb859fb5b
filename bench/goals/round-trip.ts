import { initBody } from '../support/archive.js';
import { sendOk } from '../support/http.js';
import { BenchServer } from '../support/server.js';
import type { Finding, Goal, Setting } from './goal.js';

const ARGUMENT_BYTES = 2 ** 20;
const RESULT_BYTES = 5 * 2 ** 20;

/** Answers its arguments when they are too large for the command line, else the file beside it. */
const ACTION = '#!/bin/sh\nif [ $# -eq 0 ]; then exec cat; else exec cat result.json; fi\n';

/** Spellings that a parser and a serialiser between the two ends would not leave alone. */
const AWKWARD = String.raw`{"z":1,"a":90071992547409931234,"r":1.50,"e":1e400,"n":-0,"s":"\u00e9\/é 𝄞","d":{"x":1,"x":2}}`;

/** Large arguments and results pass byte for byte. */
export const roundTripGoal: Goal = {
  key: 'round-trip',
  async measure({ folder }: Setting): Promise<Finding[]> {
    const argument = awkwardJson(ARGUMENT_BYTES);
    const result = awkwardJson(RESULT_BYTES);
    const server = await BenchServer.start({ folder });
    try {
      await sendOk(server.port, 'POST', '/init', initBody({ exec: ACTION, 'result.json': result }));
      return [
        verdict('argument', argument, await server.run(argument)),
        verdict('result', result, await server.run()),
      ];
    } finally {
      await server.stop();
    }
  },
};

function verdict(what: string, sent: string, received: Buffer): Finding {
  const pass = Buffer.from(sent).equals(received);
  return {
    goal: `${Buffer.byteLength(sent) >> 20} MB of ${what}, byte for byte`,
    measured: pass ? 'identical' : `differs (${received.length} of ${Buffer.byteLength(sent)} bytes)`,
    target: 'identical',
    pass,
    numbers: { sentBytes: Buffer.byteLength(sent), receivedBytes: received.length },
  };
}

/** An array of awkward objects on one line, of at least so many bytes. */
function awkwardJson(bytes: number): string {
  const count = Math.ceil(bytes / (Buffer.byteLength(AWKWARD) + 1));
  return `[${Array<string>(count).fill(AWKWARD).join(',')}]`;
}
