import type { ServerResponse } from 'node:http';
import { freeBuffer } from '../../os/idle-gc.js';
import type { Delivery } from '../exchange.js';
import type { Transfer } from '../transfers.js';

const PIECE_BYTES = 64 * 1024;

/** A large body on its way to the client, which takes it piece by piece: nothing of it is copied. */
export class Sending implements Transfer {
  movedBytes = 0;
  readonly #response: ServerResponse;
  readonly #body: Uint8Array;
  readonly #delivery: Delivery;
  #writtenBytes = 0;

  /** @param over is called when it is over, whether the client has taken everything or not */
  constructor(response: ServerResponse, body: Uint8Array, delivery: Delivery, over: () => void) {
    this.#response = response;
    this.#body = body;
    this.#delivery = delivery;
    response.on('drain', () => this.#write());
    // After it libuv has let go of the memory.
    response.once('close', () => {
      over();
      const isWhole = response.writableFinished && this.movedBytes === body.byteLength;
      delivery.ends(isWhole, this.movedBytes);
      freeBuffer(body);
    });
  }

  /** Sends the first piece; the head has been written. */
  begin(): void {
    this.#delivery.begins(this.#body.byteLength);
    this.#write();
  }

  prolong(): void {
    // Nothing else ends it.
  }

  stalled(): void {
    this.#response.destroy();
  }

  #write(): void {
    const { byteLength } = this.#body;
    let takesMore = true;
    while (takesMore && this.#writtenBytes < byteLength) {
      const end = Math.min(this.#writtenBytes + PIECE_BYTES, byteLength);
      const piece = this.#body.subarray(this.#writtenBytes, end);
      this.#writtenBytes = end;
      takesMore = this.#response.write(piece, (error) => {
        if (error === undefined || error === null) this.movedBytes += piece.byteLength;
      });
    }
    if (this.#writtenBytes === byteLength && !this.#response.writableEnded) this.#response.end();
  }
}
