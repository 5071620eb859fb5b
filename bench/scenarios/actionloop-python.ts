import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from '../support/find-program.js';
import type { ScenarioDefinition } from './definition.js';
import { workExchanges } from './work.js';

/** A loop that answers as `bench/c/work.c` does, after what it imports. */
function pythonLoop(id: string, title: string, description: string, imports: string): ScenarioDefinition {
  const python = findProgram('python3');
  return {
    id,
    title,
    description,
    profile: 'full',
    load: { kind: 'closed' },
    protocols: ['actionloop'],
    missing: () => (python === undefined ? 'Python is not installed' : undefined),
    async action({ folder }) {
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
