import { execFile } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../support/find-program.js';
import type { ScenarioDefinition } from './definition.js';
import { workExchanges } from './work.js';

const execute = promisify(execFile);

/** A loop that answers as `bench/c/work.c` does, after what it imports. */
function pythonLoop(id: string, title: string, description: string, imports: string): ScenarioDefinition {
  const found = findProgram('python3');
  return {
    id,
    title,
    description,
    profile: 'full',
    load: { kind: 'closed' },
    protocols: ['actionloop'],
    missing: () => (found === undefined ? 'Python is not installed' : undefined),
    async action({ folder }) {
      // What is first on PATH may be a script that looks for it, and the action has no PATH.
      const { stdout: python } = await execute(found ?? '', [
        '-c',
        'import sys; print(sys.executable, end="")',
      ]);
      const file = join(folder, id);
      const script = `#!${python}
import ${imports}
import json
import os
import sys

answers = os.fdopen(3, "wb")
while True:
    line = sys.stdin.readline()
    if not line:
        break
    value = json.loads(line)["value"]
    result = {"bytes": len(value["data"]), "data": "", "token": value["token"]}
    answers.write(json.dumps(result, separators=(",", ":")).encode() + b"\\n")
    answers.flush()
`;
      await writeFile(file, script);
      await chmod(file, 0o755);
      return file;
    },
    exchanges: () => workExchanges({}),
  };
}

/** What isolation costs a small action, and what its start would. */
export const actionloopPython = pythonLoop(
  'actionloop-python',
  'ActionLoop, Python',
  'A small action in Python: one process for all activations, a clone for each, or a new process for each.',
  'json',
);

/** The same with a start of some hundred milliseconds. */
export const actionloopPythonImports = pythonLoop(
  'actionloop-python-imports',
  'ActionLoop, Python with imports',
  'The same action with imports as a client of web services has them: their loading is what a clone does not do again.',
  'asyncio, decimal, email, http.client, logging, sqlite3, ssl, unittest, urllib.request, uuid, xml.dom.minidom',
);
