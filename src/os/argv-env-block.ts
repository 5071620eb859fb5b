import { entryName } from '../protocol/environment.js';
import { wipe } from '../protocol/wipe.js';
import { type ActionImage, argumentFits } from './action-image.js';
import { freeAddress, nativeMemory } from './libc.js';

const POINTER_BYTES = 8;
const EQUALS = 0x3d;
const INITIAL_CAPACITY_BYTES = 64 * 1024;

/** What a process is given. */
interface ProcessStrings {
  readonly action: ActionImage;
  /** Becomes argv[1] where it fits; undefined: there is none. */
  readonly argument?: Buffer;
  /** Variables that win over those of the action. */
  readonly variables: readonly (readonly [name: string, value: string])[];
}

/** Addresses of the pointer arrays that posix_spawn(3) takes. */
export interface PackedStrings {
  readonly argv: bigint;
  readonly envp: bigint;
}

/**
 * The argument and environment strings of an activation as C wants them: strings and pointer arrays in
 * native memory, at known addresses.
 *
 * What all runs of an action share is laid out once; a run adds its own strings behind it and lists the
 * pointers, instead of converting the whole environment each time.
 */
export class ArgvEnvBlock {
  readonly #before: readonly string[];
  #memory = nativeMemory(INITIAL_CAPACITY_BYTES);
  #beforeOffsets: number[] = [];
  #action: ActionImage | undefined;
  #names: string[] = [];
  #offsets: number[] = [];
  #execOffset = 0;
  #sharedEnd = 0;
  #end = 0;

  /** @param before arguments that come before `exec`, for a program that executes it */
  constructor(before: readonly string[] = []) {
    this.#before = before;
  }

  /** Lays out one activation; valid until the next call. */
  pack(request: ProcessStrings): PackedStrings {
    const { action, argument, variables } = request;
    this.#reserve(request);
    if (this.#action !== action) this.#layOut(action);
    let at = this.#sharedEnd;
    const pointers: number[] = [];
    const overridden = new Set<string>();
    for (const [name, value] of variables) {
      overridden.add(name);
      pointers.push(at);
      // In parts: a joined string would be one copy more that nobody can overwrite.
      at += this.#memory.bytes.write(name, at, 'utf8');
      this.#memory.bytes[at++] = EQUALS;
      at = this.#string(at, value);
    }
    for (let index = 0; index < this.#offsets.length; index++) {
      if (!overridden.has(this.#names[index] as string)) pointers.push(this.#offsets[index] as number);
    }
    const argv = [...this.#beforeOffsets, this.#execOffset];
    if (argument !== undefined && argumentFits(argument)) {
      argv.push(at);
      at = this.#bytes(at, argument);
    }
    at = Math.ceil(at / POINTER_BYTES) * POINTER_BYTES;
    const argvAt = at;
    at = this.#pointers(at, argv);
    const envpAt = at;
    this.#end = this.#pointers(at, pointers);
    return { argv: this.#memory.address + BigInt(argvAt), envp: this.#memory.address + BigInt(envpAt) };
  }

  /** Overwrites the strings of the activation that was laid out last, once nobody reads them any more. */
  wipe(): void {
    wipe(this.#memory.bytes.subarray(this.#sharedEnd, this.#end));
  }

  /** Gives the memory back. */
  close(): void {
    this.wipe();
    freeAddress(this.#memory.address);
  }

  #layOut(action: ActionImage): void {
    this.#execOffset = 0;
    let at = this.#string(0, action.exec);
    this.#beforeOffsets = [];
    for (const text of this.#before) {
      this.#beforeOffsets.push(at);
      at = this.#string(at, text);
    }
    this.#names = action.environment.map(entryName);
    this.#offsets = [];
    for (const entry of action.environment) {
      this.#offsets.push(at);
      at = this.#bytes(at, entry);
    }
    this.#sharedEnd = at;
    this.#action = action;
  }

  /** Makes the memory large enough for the worst case of these strings. */
  #reserve({ action, argument, variables }: ProcessStrings): void {
    // Three bytes of UTF-8 for a UTF-16 unit at most; then NULs and pointers.
    let needed = 3 * action.exec.length + (argument?.length ?? 0) + 1024;
    for (const text of this.#before) needed += 3 * text.length + 1 + POINTER_BYTES;
    for (const entry of action.environment) needed += entry.length + 1 + POINTER_BYTES;
    for (const [name, value] of variables) needed += 3 * (name.length + value.length) + 2 + POINTER_BYTES;
    if (needed <= this.#memory.bytes.length) return;
    freeAddress(this.#memory.address);
    this.#memory = nativeMemory(2 * needed);
    this.#action = undefined;
  }

  #string(at: number, text: string): number {
    const end = at + this.#memory.bytes.write(text, at, 'utf8');
    this.#memory.bytes[end] = 0;
    return end + 1;
  }

  #bytes(at: number, bytes: Buffer): number {
    const end = at + bytes.copy(this.#memory.bytes, at);
    this.#memory.bytes[end] = 0;
    return end + 1;
  }

  #pointers(at: number, offsets: readonly number[]): number {
    let position = at;
    for (const offset of offsets) {
      this.#memory.bytes.writeBigUInt64LE(this.#memory.address + BigInt(offset), position);
      position += POINTER_BYTES;
    }
    this.#memory.bytes.writeBigUInt64LE(0n, position);
    return position + POINTER_BYTES;
  }
}
