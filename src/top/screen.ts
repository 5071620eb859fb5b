import type { ReadStream, WriteStream } from 'node:tty';

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const OTHER_SCREEN = '\x1b[?1049h';
const OWN_SCREEN = '\x1b[?1049l';
const HOME = '\x1b[H';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';

/** A terminal that is drawn over and over; what was there before comes back at the end. */
export class Screen {
  readonly #output: WriteStream;
  readonly #input: ReadStream;
  /** Settled when the person wants to leave: q, Ctrl-C, or a signal. */
  readonly left: Promise<void>;
  #leave: () => void = () => undefined;

  constructor(output: WriteStream, input: ReadStream) {
    this.#output = output;
    this.#input = input;
    this.left = new Promise((resolve) => {
      this.#leave = resolve;
    });
    output.write(OTHER_SCREEN + HIDE_CURSOR);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, this.#leave);
    if (input.isTTY) {
      input.setRawMode(true);
      input.on('data', (keys: Buffer) => {
        if (keys.includes('q') || keys.includes('\x03')) this.#leave();
      });
    }
  }

  /** Draws as many lines as fit. */
  draw(lines: readonly string[]): void {
    const fitting = lines.slice(0, Math.max(1, this.#output.rows - 1));
    this.#output.write(HOME + fitting.map((line) => `${line}${REST_OF_LINE}\n`).join('') + REST_OF_SCREEN);
  }

  close(): void {
    if (this.#input.isTTY) this.#input.setRawMode(false);
    this.#input.pause();
    this.#output.write(SHOW_CURSOR + OWN_SCREEN);
  }
}
