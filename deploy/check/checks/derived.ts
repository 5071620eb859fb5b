import { equal, matches } from '../../../conformance/check.js';
import { ECHO, logsOfEcho } from '../actions.js';
import { type Check, HARDENED } from '../check.js';

/** As images of dockerskeleton's users are written, whose command they restate. */
const AS_DOCKERSKELETON = `ARG FROM
FROM \${FROM}
ENV FLASK_PROXY_PORT=8080
ADD exec /action/exec
CMD ["/bin/bash", "-c", "cd actionProxy && python -u actionproxy.py"]
`;
const WITH_INTERPRETER = `ARG FROM
FROM \${FROM}
USER root
RUN apt-get update && apt-get install -y --no-install-recommends lua5.4 && rm -rf /var/lib/apt/lists/*
ADD exec /action/exec
USER action
`;
const LUA = '#!/usr/bin/lua5.4\nprint("to stdout")\nprint(string.format("{\\"lua\\":%s}", arg[1]))\n';

/** Images that are made from these. */
export const DERIVED_CHECKS: readonly Check[] = [
  {
    title: 'an image made as those of dockerskeleton are, with an exec and the restated command',
    run: async ({ full, derive, serve }) => {
      const image = derive({ Dockerfile: AS_DOCKERSKELETON, exec: ECHO }, { FROM: full });
      const container = await serve({ image });
      matches('the run', (await container.post('/run', { value: { a: 1 } })).text, /"argument":{"a":1}/);
      equal('the init without code', (await container.post('/init', { value: {} })).text, 'OK');
      equal('exit status', container.stop(), 0);
      equal('stdout', container.logs().stdout, logsOfEcho(1).stdout);
    },
  },
  {
    title: 'slim with an interpreter by apt-get, hardened, its own exec and nothing writable',
    run: async ({ slim, derive, serve }) => {
      const image = derive({ Dockerfile: WITH_INTERPRETER, exec: LUA }, { FROM: slim });
      const container = await serve({ image, flags: HARDENED });
      equal('the run', (await container.post('/run', { value: { a: 1 } })).text, '{"lua":{"a":1}}');
      equal('exit status', container.stop(), 0);
    },
  },
];
