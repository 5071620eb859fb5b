/** Logs on both streams, and answers its argument and who it is. */
export const ECHO = `#!/bin/bash
echo "to stdout"
echo "to stderr" >&2
echo "{\\"argument\\":$1,\\"user\\":$(id -u),\\"id\\":\\"$__OW_ACTIVATION_ID\\"}"
`;

/** What the streams of a container have when {@link ECHO} has run so often. */
export function logsOfEcho(runs: number): { stdout: string; stderr: string } {
  const of = (stream: string): string => `to ${stream}\nXXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n`.repeat(runs);
  return { stdout: of('stdout'), stderr: of('stderr') };
}

/** The same greeting by different interpreters that the images have. */
export const PROGRAMS: Readonly<Record<string, string>> = {
  sh: '#!/bin/sh\necho "{\\"by\\":\\"sh\\",\\"argument\\":$1}"\n',
  node: `#!/usr/bin/env node\nconsole.log('{"by":"node","argument":' + process.argv[2] + '}');\n`,
  perl: '#!/usr/bin/env perl\nprint qq({"by":"perl","argument":$ARGV[0]}\\n);\n',
};

/** One that only the full image has. */
export const PYTHON =
  '#!/usr/bin/env python3\nimport sys\nprint(\'{"by":"python","argument":%s}\' % sys.argv[1])\n';

/** Says when it has begun, and ends some seconds later. */
export const SLOW = '#!/bin/sh\necho begun >&2\nsleep 3\necho \'{"slow":true}\'\n';

/** Holds as many megabytes as it is told, for so long. */
export const GREEDY = `#!/usr/bin/env node
const { megabytes, holdMs = 0 } = JSON.parse(process.argv[2]);
const held = Array.from({ length: megabytes }, () => Buffer.alloc(2 ** 20, 1));
setTimeout(() => console.log(JSON.stringify({ megabytes: held.length })), holdMs);
`;

/** An action that stays, in the ActionLoop protocol. */
export const LOOP = `#!/bin/bash
while read -r line; do echo "to stdout"; echo '{"loop":true}' >&3; done
`;
