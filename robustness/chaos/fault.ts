import { readFileSync } from 'node:fs';
import { childrenOf } from '../../conformance/target/processes.js';
import type { Session } from '../check/session.js';
import type { RandomSource } from '../support/random.js';
import type { SubjectOptions } from '../support/subject.js';

export type Cell = Pick<SubjectOptions, 'protocol' | 'engine'>;

/** Something that happens to a server, again and again, while clients with tokens use it. */
export interface Fault {
  readonly name: string;
  /** Why it can't be injected here; undefined if it can. */
  unavailableReason?(cell: Cell): string | undefined;
  /** What the server is started with; the folder is a new one for each round. */
  readonly launch?: Partial<SubjectOptions>;
  /** Causes by which activations may fail meanwhile; any other failure is a finding. */
  readonly explains?: readonly string[];
  /** Whether clients may lose connections meanwhile. */
  readonly mayDrop?: boolean;
  /** Whether sentinels and counters can't be exact afterwards. */
  readonly isInexact?: boolean;
  /** Lets it happen once, and takes it back. */
  inject(session: Session, random: RandomSource): Promise<void>;
  /** What the end of the round is; by default SIGTERM to a server at rest. */
  end?(session: Session, random: RandomSource): Promise<void>;
}

/** The name that the fork server gives its templates and prewarmed clones. */
export const TEMPLATE_NAME = 'hs-template';
/** The name of a process of the action. */
export const ACTION_NAME = 'exec';

/** Children of the server by the name of what they execute. */
export function childrenNamed(session: Session, name: string): number[] {
  return childrenOf(session.subject.pid).filter((pid) => nameOf(pid) === name);
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1').trim();
  } catch {
    return '';
  }
}

export function needsRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'needs root';
}
