import { ArchiveTooLargeError, UnsafeEntryError } from './errors.js';

export type EntryKind = 'file' | 'folder' | 'link';

/** What an archive has at one path. */
export interface EntryNode {
  kind: EntryKind;
  /** The number of the entry that counts; -1 for a folder that only the paths of others imply. */
  index: number;
  /** Permission bits of a folder; 0 for none of its own. */
  mode: number;
  /** By which rule its name was read. */
  encoding: string;
  /** Whether it may as well be a folder: empty, and made on a system that does not say. */
  mayBeFolder: boolean;
  /** For whoever writes it: whether it is there. */
  isCreated: boolean;
  children?: Map<string, EntryNode>;
}

/** An entry on its way into the tree. */
interface NewEntry {
  readonly kind: EntryKind;
  readonly index: number;
  readonly mode: number;
  readonly encoding: string;
  readonly mayBeFolder: boolean;
}

/**
 * The paths of an archive, so that no two entries contradict each other (C-INIT-11). Two entries of different kinds
 * for one path, or one below a file or link, mean different things to different readers and are refused; of two of a
 * kind the last counts.
 *
 * Folders that paths imply count as entries: they take memory and inodes as the others do (C-INIT-12).
 */
export class EntryTree {
  readonly root: EntryNode = folder();
  readonly #maxEntries: number;
  readonly #shown: (path: string) => string;
  #count = 0;

  /** @param shown a path in messages */
  constructor(maxEntries: number, shown: (path: string) => string = JSON.stringify) {
    this.#maxEntries = maxEntries;
    this.#shown = shown;
  }

  /**
   * @param components at least one
   * @returns the node that the entry now has
   * @throws UnsafeEntryError, ArchiveTooLargeError
   */
  add(components: readonly string[], entry: NewEntry): EntryNode {
    const last = components.length - 1;
    let node = this.root;
    for (let depth = 0; depth < last; depth++) {
      node =
        this.#child(node, components[depth] as string) ??
        this.#create(node, components[depth] as string, folder());
      if (node.kind === 'folder') continue;
      if (!node.mayBeFolder)
        throw new UnsafeEntryError(`the entry ${this.#path(components)} lies below a ${node.kind}`);
      Object.assign(node, folder());
    }
    const name = components[last] as string;
    const before = this.#child(node, name);
    if (before === undefined) return this.#create(node, name, { ...entry, isCreated: false });
    this.#rejectContradiction(components, before, entry);
    // An empty file of a system that knows no types stays the folder that it turned out to be.
    if (before.kind === entry.kind || before.mayBeFolder) Object.assign(before, entry);
    return before;
  }

  /** The node at a path that was added. */
  at(components: readonly string[]): EntryNode | undefined {
    let node: EntryNode | undefined = this.root;
    for (const component of components) node = node?.children?.get(component);
    return node;
  }

  #rejectContradiction(components: readonly string[], before: EntryNode, entry: NewEntry): void {
    const asFolder =
      (before.kind === 'folder' && entry.mayBeFolder) || (before.mayBeFolder && entry.kind === 'folder');
    if (before.kind !== entry.kind && !asFolder) {
      throw new UnsafeEntryError(`there are two entries for ${this.#path(components)}`);
    }
    if (before.index >= 0 && before.encoding !== entry.encoding) {
      throw new UnsafeEntryError(`two names of it, in different encodings, become ${this.#path(components)}`);
    }
  }

  #path(components: readonly string[]): string {
    return this.#shown(components.join('/'));
  }

  #child(parent: EntryNode, name: string): EntryNode | undefined {
    return parent.children?.get(name);
  }

  #create(parent: EntryNode, name: string, node: EntryNode): EntryNode {
    if (++this.#count > this.#maxEntries) throw tooManyEntries(this.#maxEntries);
    parent.children ??= new Map();
    parent.children.set(name, node);
    return node;
  }
}

/** The refusal of an archive with more entries than that. */
export function tooManyEntries(maxEntries: number): ArchiveTooLargeError {
  return new ArchiveTooLargeError(
    `it has more than ${maxEntries} files and folders (HYPERSKELETON_MAX_ENTRIES allows more)`,
  );
}

function folder(): EntryNode {
  return { kind: 'folder', index: -1, mode: 0, encoding: 'utf8', mayBeFolder: false, isCreated: false };
}
