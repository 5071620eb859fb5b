import { ArchiveTooLarge, UnsafeEntry } from './refusals.js';

export type EntryKind = 'file' | 'folder' | 'link';

/** What an archive has at one path. */
export interface EntryNode {
  kind: EntryKind;
  /** The number of the entry that counts; -1 for a folder that only the paths of others imply. */
  index: number;
  /** Permission bits of a folder; 0 for none of its own. */
  mode: number;
  /** By which rule its name was read. */
  by: string;
  /** Whether it may as well be a folder: empty, and made on a system that does not say. */
  vague: boolean;
  /** For whoever writes it: whether it is there. */
  made: boolean;
  children?: Map<string, EntryNode>;
}

/** An entry on its way into the tree. */
export interface NewEntry {
  readonly kind: EntryKind;
  readonly index: number;
  readonly mode: number;
  readonly by: string;
  readonly vague: boolean;
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
   * @throws UnsafeEntry, ArchiveTooLarge
   */
  add(components: readonly string[], entry: NewEntry): EntryNode {
    const last = components.length - 1;
    let node = this.root;
    for (let depth = 0; depth < last; depth++) {
      node =
        this.#child(node, components[depth] as string) ??
        this.#create(node, components[depth] as string, folder());
      if (node.kind === 'folder') continue;
      if (!node.vague) throw new UnsafeEntry(`the entry ${this.#path(components)} lies below a ${node.kind}`);
      Object.assign(node, folder());
    }
    const name = components[last] as string;
    const before = this.#child(node, name);
    if (before === undefined) return this.#create(node, name, { ...entry, made: false });
    this.#refuseContradiction(components, before, entry);
    // An empty file of a system that knows no types stays the folder that it turned out to be.
    if (before.kind === entry.kind || before.vague) Object.assign(before, entry);
    return before;
  }

  /** The node at a path that was added. */
  at(components: readonly string[]): EntryNode | undefined {
    let node: EntryNode | undefined = this.root;
    for (const component of components) node = node?.children?.get(component);
    return node;
  }

  #refuseContradiction(components: readonly string[], before: EntryNode, entry: NewEntry): void {
    const asFolder = (before.kind === 'folder' && entry.vague) || (before.vague && entry.kind === 'folder');
    if (before.kind !== entry.kind && !asFolder) {
      throw new UnsafeEntry(`there are two entries for ${this.#path(components)}`);
    }
    if (before.index >= 0 && before.by !== entry.by) {
      throw new UnsafeEntry(`two names of it, in different encodings, become ${this.#path(components)}`);
    }
  }

  #path(components: readonly string[]): string {
    return this.#shown(components.join('/'));
  }

  #child(parent: EntryNode, name: string): EntryNode | undefined {
    return parent.children?.get(name);
  }

  #create(parent: EntryNode, name: string, node: EntryNode): EntryNode {
    if (++this.#count > this.#maxEntries) throw tooMany(this.#maxEntries);
    parent.children ??= new Map();
    parent.children.set(name, node);
    return node;
  }
}

/** The refusal of an archive with more entries than that. */
export function tooMany(maxEntries: number): ArchiveTooLarge {
  return new ArchiveTooLarge(
    `it has more than ${maxEntries} files and folders (HYPERSKELETON_MAX_ENTRIES allows more)`,
  );
}

function folder(): EntryNode {
  return { kind: 'folder', index: -1, mode: 0, by: 'utf8', vague: false, made: false };
}
