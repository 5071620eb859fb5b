/** How cells of one kind are laid over memory. */
interface CellsConstructor<Cells> {
  readonly BYTES_PER_ELEMENT: number;
  new (memory: SharedArrayBuffer, byteOffset: number, length: number): Cells;
}

/**
 * A table of numbers in memory that threads share: a header, which is everybody's, and slots of the same size, one for each
 * thread.
 */
export class SharedTable<Cells> {
  readonly #Cells: CellsConstructor<Cells>;
  readonly #headerCells: number;
  readonly #slotCells: number;

  constructor(Cells: CellsConstructor<Cells>, headerCells: number, slotCells: number) {
    this.#Cells = Cells;
    this.#headerCells = headerCells;
    this.#slotCells = slotCells;
  }

  /** Memory for a table with that many slots, all zero. */
  create(slots: number): SharedArrayBuffer {
    const cells = this.#headerCells + slots * this.#slotCells;
    return new SharedArrayBuffer(cells * this.#Cells.BYTES_PER_ELEMENT);
  }

  header(memory: SharedArrayBuffer): Cells {
    return new this.#Cells(memory, 0, this.#headerCells);
  }

  slot(memory: SharedArrayBuffer, slot: number): Cells {
    const at = this.#headerCells + slot * this.#slotCells;
    return new this.#Cells(memory, at * this.#Cells.BYTES_PER_ELEMENT, this.#slotCells);
  }

  slots(memory: SharedArrayBuffer): Cells[] {
    const cells = memory.byteLength / this.#Cells.BYTES_PER_ELEMENT - this.#headerCells;
    return Array.from({ length: cells / this.#slotCells }, (_, slot) => this.slot(memory, slot));
  }
}
