import { spawnSync } from 'node:child_process';

const CANDIDATES = ['docker', 'podman'];
const BUILD_TIMEOUT_MS = 15 * 60_000;
/** A machine that has other things to do may take its time. */
const COMMAND_TIMEOUT_MS = 3 * 60_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** What a command of the engine gave. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What an image is built with. */
export interface BuildOptions {
  readonly folder: string;
  readonly tag: string;
  readonly target?: string;
  readonly args?: Readonly<Record<string, string>>;
}

/** A container engine by its command line. Everything has the host's network: no bridge is needed. */
export class ContainerEngine {
  readonly #command: readonly string[];

  private constructor(command: readonly string[]) {
    this.#command = command;
  }

  /**
   * @param command the engine with the flags it needs; undefined: docker or podman, whichever is here
   * @throws Error where there is none, or it does not answer
   */
  static find(command: string | undefined): ContainerEngine {
    const candidates = command === undefined ? CANDIDATES : [command];
    const reasons: string[] = [];
    for (const candidate of candidates) {
      const engine = new ContainerEngine(candidate.trim().split(/\s+/));
      const { status, stderr } = engine.run('ps');
      if (status === 0) return engine;
      reasons.push(`${candidate}: ${stderr.trim().split('\n').at(-1)}`);
    }
    throw new Error(`this needs a container engine that answers\n${reasons.join('\n')}`);
  }

  /** How it is called, and its version. */
  get description(): string {
    const name = this.#command[0] ?? '';
    const { stdout } = this.run('version', '--format', '{{.Client.Version}}');
    return `${name} ${stdout.trim()}`;
  }

  /** Runs one of its commands to the end. */
  run(...args: readonly string[]): Outcome {
    return this.#run(args, COMMAND_TIMEOUT_MS);
  }

  /** @throws Error with the end of what it wrote, where the command fails */
  must(...args: readonly string[]): string {
    const outcome = this.run(...args);
    if (outcome.status !== 0) throw new Error(`${args.slice(0, 2).join(' ')} failed: ${endOf(outcome)}`);
    return outcome.stdout;
  }

  /** @throws Error with the end of the build's output, where it fails */
  build({ folder, tag, target, args = {} }: BuildOptions): void {
    const outcome = this.#run(
      [
        'build',
        ...['--network', 'host', '--tag', tag],
        ...(target === undefined ? [] : ['--target', target]),
        ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
        // Podman's own format has no HEALTHCHECK.
        ...(this.#command[0]?.endsWith('podman') ? ['--format', 'docker'] : []),
        folder,
      ],
      BUILD_TIMEOUT_MS,
    );
    if (outcome.status !== 0) throw new Error(`${tag} can't be built: ${endOf(outcome)}`);
  }

  #run(args: readonly string[], timeoutMs: number): Outcome {
    const [program = '', ...flags] = this.#command;
    const { status, stdout, stderr, error } = spawnSync(program, [...flags, ...args], {
      encoding: 'utf8',
      timeout: timeoutMs,
      maxBuffer: MAX_OUTPUT_BYTES,
      env: { ...process.env, DOCKER_BUILDKIT: '1' },
    });
    if (error !== undefined) return { status: -1, stdout: '', stderr: error.message };
    return { status: status ?? -1, stdout, stderr };
  }
}

const SHOWN_LINES = 12;

function endOf({ stdout, stderr }: Outcome): string {
  return `${stdout}${stderr}`.trimEnd().split('\n').slice(-SHOWN_LINES).join('\n');
}
