import { type AnyCommand, defineCommand, defineConfiguredCommand } from './command.js';

const OK = ['0', 'done'] as const;
const USAGE = ['2', 'the command line or a setting can’t be understood'] as const;

const serve = defineConfiguredCommand({
  name: 'serve',
  summary: 'serve /init and /run until SIGTERM',
  details: 'Starts the server. Flags without a command are meant for it. Every setting is a flag.',
  options: {},
  exitStatus: [
    ['0', 'stopped by a signal, everything in flight was finished'],
    ['1', 'it could not start, or activations were given up at the end of the grace period'],
    USAGE,
  ],
  examples: [
    'hyperskeleton serve --port 8080 --action-root ./my-action',
    'HYPERSKELETON_PROTOCOL=actionloop hyperskeleton serve',
  ],
  load: async () => (await import('./serve.js')).serveCommand,
});

const invoke = defineConfiguredCommand({
  name: 'invoke',
  summary: 'run an action once: a folder, a zip or an executable',
  operands: 'PATH',
  operandCount: 1,
  details:
    'Initialises an action and runs it once, through the code that the server has. The result goes to stdout, the log to stderr. Every setting is a flag.',
  options: {
    param: {
      type: 'string',
      multiple: true,
      short: 'p',
      value: 'NAME=VALUE',
      help: 'one argument; JSON, or text; may be repeated',
    },
    params: {
      type: 'string',
      value: 'JSON|@FILE|-',
      help: 'all arguments as a JSON object: text, a file, or stdin',
    },
    env: {
      type: 'string',
      multiple: true,
      value: 'NAME=VALUE',
      help: 'a variable of the init; may be repeated',
    },
    main: {
      type: 'string',
      default: 'main',
      value: 'NAME',
      help: 'the name of the main function, for compilers',
    },
  },
  exitStatus: [['0', 'it has a result'], ['1', 'it failed, or its result has a member `error`'], USAGE],
  examples: [
    'hyperskeleton invoke ./my-action --param name=world --param n=3',
    'hyperskeleton invoke action.zip --params @event.json --activation-timeout-ms 60000',
  ],
  load: async () => (await import('./invoke.js')).invokeCommand,
});

const pack = defineCommand({
  name: 'pack',
  summary: "make an action's zip, or the body of the /init that uploads it",
  operands: 'PATH',
  operandCount: 1,
  details:
    'Modes and symbolic links are kept; the same content makes the same archive. Of a folder .git, .env* and what its file .hyperskeletonignore names (in the form of .gitignore) are left out. It has to have an exec at its top.',
  options: {
    output: {
      type: 'string',
      short: 'o',
      value: 'FILE',
      help: 'a .zip, or a .json for the body of /init; by default NAME.zip',
    },
    check: {
      type: 'boolean',
      default: false,
      help: 'pack it only if its exec can be started on this machine, as doctor PATH looks',
    },
    'without-exec': {
      type: 'boolean',
      default: false,
      help: 'pack files for an image that brings an exec itself',
    },
    main: {
      type: 'string',
      default: 'main',
      value: 'NAME',
      help: 'the name of the main function, for compilers',
    },
  },
  exitStatus: [OK, ['1', 'it can’t be packed, or would not run'], USAGE],
  examples: ['hyperskeleton pack ./my-action -o action.zip', 'hyperskeleton pack ./my-action -o init.json'],
  load: async () => (await import('./pack.js')).packCommand,
});

const compile = defineCommand({
  name: 'compile',
  summary: 'ActionLoop: source on stdin, the zip that OW_COMPILER makes on stdout',
  operands: 'MAIN',
  operandCount: 1,
  details: 'The same as -compile of OpenWhisk’s ActionLoop proxy. MAIN is the name of the main function.',
  options: { env: { type: 'string', default: '{}', value: 'JSON', help: 'variables for the compiler' } },
  exitStatus: [OK, ['1', 'it can’t be compiled'], USAGE],
  examples: ['OW_COMPILER=/bin/compile hyperskeleton compile main < main.go > action.zip'],
  load: async () => (await import('./compile.js')).compileCommand,
});

const doctor = defineConfiguredCommand({
  name: 'doctor',
  summary: 'show which engine runs here, why others do not, and what each gives',
  operands: '[PATH]',
  operandCount: [0, 1],
  details:
    'Also looks at the action of --action-root. With PATH it looks at that action only, a folder, a zip or an executable: whether it unpacks, has an exec, and can be started here (line breaks, interpreter, architecture, loader, libraries), and what its template is. The action is not run. Every setting is a flag.',
  options: { json: { type: 'boolean', default: false, help: 'with PATH: print JSON' } },
  exitStatus: [
    ['0', 'the engine that is asked for works, or the action does as far as can be seen'],
    ['1', 'it does not'],
    USAGE,
  ],
  examples: [
    'hyperskeleton doctor',
    'hyperskeleton doctor ./my-action',
    'hyperskeleton doctor --engine forkserver --action-root ./my-action',
  ],
  load: async () => (await import('./doctor.js')).doctorCommand,
});

const top = defineCommand({
  name: 'top',
  summary: 'watch a running server by its /metrics: rates, percentiles, phases, failures',
  details: 'On a terminal it is drawn anew until q; elsewhere it is printed.',
  options: {
    'metrics-url': {
      type: 'string',
      default: 'http://127.0.0.1:8080/metrics',
      value: 'URL',
      help: 'the page of the server',
    },
    interval: { type: 'string', default: '2', value: 'SECONDS', help: 'the time between two scrapes' },
    once: { type: 'boolean', default: false, help: 'print one interval and end' },
    json: { type: 'boolean', default: false, help: 'print JSON, one object a line' },
  },
  exitStatus: [OK, ['1', 'the server can’t be asked'], USAGE],
  examples: ['hyperskeleton top', "hyperskeleton top --once --json | jq -e '.phases.total.p99 < 0.5'"],
  load: async () => (await import('./top.js')).topCommand,
});

/** The package's folder, seen from dist/src/cli and, bundled, from dist/server. */
type PackageFolder = URL;

/** The harness reads its command line itself. */
const benchOf = (packageFolder: PackageFolder): AnyCommand => ({
  name: 'bench',
  summary: 'measure runtimes side by side; bench --help has its flags',
  operands: '[run | compare | trend | render | publish | picture]',
  options: {},
  takesSettings: false,
  exitStatus: [OK, ['1', 'a comparison found something slower, or a measurement failed'], USAGE],
  examples: ['hyperskeleton bench --quick', 'hyperskeleton bench --url http://127.0.0.1:8080'],
  run: async (argv) => (await import('./bench.js')).bench(argv, packageFolder),
});

const completionOf = (all: () => readonly AnyCommand[]): AnyCommand =>
  defineCommand({
    name: 'completion',
    summary: 'print a script that completes commands and flags in bash or zsh',
    operands: 'bash|zsh',
    operandCount: 1,
    options: {},
    exitStatus: [OK, ['1', 'there is none for that shell'], USAGE],
    examples: ['source <(hyperskeleton completion bash)', 'hyperskeleton completion zsh >> ~/.zshrc'],
    load: async () => {
      const { printCompletion } = await import('./completion.js');
      return async ({ positionals }) => printCompletion(positionals[0] as string, all());
    },
  });

/**
 * Every command, in the order of the help.
 *
 * @param packageFolder the package's folder
 */
export function commandsOf(packageFolder: PackageFolder): readonly AnyCommand[] {
  const all: readonly AnyCommand[] = [
    ...[serve, invoke, pack, compile, doctor, top, benchOf(packageFolder)],
    completionOf(() => all),
  ];
  return all;
}
