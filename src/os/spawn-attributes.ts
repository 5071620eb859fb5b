import { spawn } from './libc.js';

const SETPGROUP = 0x02;
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
/** Room for the opaque type of spawn.h: 336 bytes in glibc. */
const ATTRIBUTES_BYTES = 1024;
const SIGNAL_SET_BYTES = 128;

/**
 * What every action is started with (C-RUN-14): a process group of its own, signals at their defaults, none blocked.
 */
export class SpawnAttributes {
  /** The posix_spawnattr_t. */
  readonly bytes = Buffer.alloc(ATTRIBUTES_BYTES);

  constructor() {
    spawn.attributesInit(this.bytes);
    spawn.attributesFlags(this.bytes, SETPGROUP | SETSIGDEF | SETSIGMASK);
    // Node ignores SIGPIPE, and ignored signals would stay ignored across exec.
    spawn.attributesDefaults(this.bytes, Buffer.alloc(SIGNAL_SET_BYTES, 0xff));
    spawn.attributesMask(this.bytes, Buffer.alloc(SIGNAL_SET_BYTES));
  }
}
