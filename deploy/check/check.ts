import type { Answer, Container, StartOptions } from './container.js';
import type { BuildOptions, Outcome } from './engine.js';

/** What a check works with. */
export interface CheckContext {
  readonly slim: string;
  readonly full: string;
  /** Runs a command in a container of its own. */
  run(image: string, flags: readonly string[], ...command: readonly string[]): Outcome;
  /** Starts a server; it is removed when the check is over. */
  serve(options: StartOptions): Promise<Container>;
  /** Builds an image from files in a folder of its own, and answers its tag. */
  derive(files: Readonly<Record<string, string>>, args: BuildOptions['args']): string;
  /** Installs an executable's text or bytes as an action, by a zip. */
  install(container: Container, exec: string | Buffer): Promise<Answer>;
  /** A file on this machine, which goes when the check is over. */
  file(name: string, text: string): string;
}

/** One thing that an image promises. It fails by throwing. */
export interface Check {
  readonly title: string;
  readonly run: (context: CheckContext) => Promise<void> | void;
}

/** What makes a container hard to break out of, as docs/guides/deploying.md recommends it. */
export const HARDENED: readonly string[] = [
  '--read-only',
  '--tmpfs=/tmp:rw,size=64m,mode=1777',
  '--user=1001:1001',
  '--cap-drop=ALL',
  '--security-opt=no-new-privileges',
  '--memory=256m',
  '--cpus=1',
];
/** Where actions are installed although the file system is read-only. */
export const WRITABLE_ACTION = '--tmpfs=/action:rw,exec,mode=1777';
