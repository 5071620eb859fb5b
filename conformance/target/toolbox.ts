import type { Protocol } from '../case.js';
import { show, Violation } from '../check.js';
import type { Server } from './server.js';

// What runs the script of `{"sh": base64}`; any other line is what `otherwise` answers.
const DISPATCH = (otherwise: string): string => `case $input in
*'"sh"'*)
  script=\${input#*'"sh"'}
  script=\${script#*'"'}
  script=\${script%%'"'*}
  eval "$(printf %s "$script" | base64 -d)" ;;
*)
  ${otherwise} ;;
esac`;

const REPORT = `printf '{"stdin":"%s","argc":%d,"argument":"%s"}\\n' \\
    "$(printf %s "$input" | base64 | tr -d '\\n')" "$#" "$(printf %s "\${1-}" | base64 | tr -d '\\n')"`;

/**
 * The suite's own action: it runs the script that is in its arguments, `{"sh": base64}`, so that many cases can
 * share one init. Without one it reports what it got: stdin and the first argument in base64, and how many
 * arguments there were. `$input` is all of stdin (ActionLoop: the line).
 */
export const TOOLBOX: Readonly<Record<Protocol, string>> = {
  // The x keeps line breaks at the end, which $() would drop.
  classic: `#!/bin/sh\ninput=$(cat; printf x)\ninput=\${input%x}\n${DISPATCH(REPORT)}\n`,
  knative: `#!/bin/sh\ninput=$(cat; printf x)\ninput=\${input%x}\n${DISPATCH(REPORT)}\n`,
  actionloop: `#!/bin/sh\nwhile IFS= read -r input; do\n${DISPATCH(`(${REPORT}) >&3`)}\ndone\n`,
};

/** What the toolbox reports where it has no script to run. */
export interface Report {
  readonly stdin: string;
  /** How many arguments there were, without the program's name. */
  readonly argc: number;
  readonly argument: string;
}

/** Reads the toolbox's report. */
export function reportOf(body: string): Report {
  const { stdin, argc, argument } = parsed(body);
  const text = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');
  return { stdin: text(stdin), argc, argument: text(argument) };
}

function parsed(body: string): Report {
  try {
    const report = JSON.parse(body) as Partial<Report>;
    if (typeof report.stdin === 'string' && typeof report.argument === 'string') return report as Report;
  } catch {
    // Told below.
  }
  throw new Violation(`the run: expected the report of the suite's action, got ${show(body)}`);
}

/**
 * Puts the toolbox into a server. Returns why that can't be had: where the server has an action already that is
 * not the toolbox. One that an earlier run of the suite left there will do.
 */
export async function installToolbox(server: Server): Promise<string | undefined> {
  const code = TOOLBOX[server.protocol];
  if (server.protocol === 'knative') {
    await server.post('/', JSON.stringify({ init: { code }, activation: {}, value: {} }));
  } else {
    await server.init({ code, binary: false, name: 'toolbox', main: 'main' });
  }
  const result = '{"toolbox":true}';
  const script = server.protocol === 'actionloop' ? `echo '${result}' >&3` : `echo '${result}'`;
  const answer = await server.sh(script);
  try {
    if ((JSON.parse(answer.text) as { toolbox?: unknown }).toolbox === true) return undefined;
  } catch {
    // Whatever it is, the toolbox did not say it.
  }
  return `the target did not take the suite's action: ${answer.status} ${answer.text.slice(0, 200)}`;
}
