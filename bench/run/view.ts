/** What is being done at the moment. */
interface Step {
  readonly scenario: string;
  readonly target: string;
  readonly load: string;
  readonly round: string;
}

const DRAW_EVERY_MS = 250;
const DEFAULT_COLUMNS = 120;

/**
 * What a person sees while it runs, on stderr: one line that changes where it is a terminal, a line for each
 * finished step where it is not.
 */
export class View {
  readonly #isTerminal: boolean;
  readonly #estimateSeconds: number;
  readonly #write: (text: string) => void;
  readonly #beganMs = performance.now();
  #doneSeconds = 0;
  #extraSeconds = 0;
  #step: Step | undefined;
  #stepBeganMs = 0;
  #answers = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(estimateSeconds: number, stream: NodeJS.WriteStream = process.stderr) {
    this.#estimateSeconds = estimateSeconds;
    this.#isTerminal = stream.isTTY === true;
    this.#write = (text) => stream.write(text);
    if (this.#isTerminal) {
      this.#timer = setInterval(() => this.#draw(), DRAW_EVERY_MS);
      this.#timer.unref();
    }
  }

  /** A line that stays. */
  note(text: string): void {
    this.#clear();
    this.#write(`${text}\n`);
  }

  begin(step: Step): void {
    this.#step = step;
    this.#answers = 0;
    this.#stepBeganMs = performance.now();
  }

  /** The step is done once more. */
  again(): void {
    if (this.#step !== undefined)
      this.begin({ ...this.#step, round: `${this.#step.round}, again: disturbed` });
  }

  /** One more answer: as cheap as can be, it is called for each. */
  readonly answer = (): void => {
    this.#answers++;
  };

  /** The step has ended; `seconds` are what it had in the estimate. */
  end(outcome: string, seconds: number): void {
    this.#doneSeconds += seconds;
    const step = this.#step;
    this.#step = undefined;
    if (step !== undefined && !this.#isTerminal)
      this.note(`${this.#progress()} ${describe(step)}: ${outcome}`);
  }

  /** Work that the estimate had and that won't be done. */
  skip(seconds: number): void {
    this.#doneSeconds += seconds;
  }

  /** Time that went into what no estimate had: it says nothing about how long the rest takes. */
  extra(seconds: number): void {
    this.#extraSeconds += seconds;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#clear();
  }

  #draw(): void {
    const step = this.#step;
    if (step === undefined) return;
    const seconds = (performance.now() - this.#stepBeganMs) / 1000;
    const rate = seconds > 0.3 && this.#answers > 0 ? ` · ${(this.#answers / seconds).toFixed(0)}/s` : '';
    this.#clear();
    // A terminal of unknown width says 0.
    const room = (process.stderr.columns || DEFAULT_COLUMNS) - 1;
    this.#write(`${this.#progress()} ${describe(step)}${rate}`.slice(0, room));
  }

  #progress(): string {
    const share = Math.min(1, this.#doneSeconds / this.#estimateSeconds);
    const spent = (performance.now() - this.#beganMs) / 1000 - this.#extraSeconds;
    // The estimate is corrected by how it has held so far.
    const pace = this.#doneSeconds > 5 ? Math.max(0.5, spent / this.#doneSeconds) : 1;
    const left = Math.max(0, this.#estimateSeconds - this.#doneSeconds) * pace;
    return `[${String(Math.round(share * 100)).padStart(3)} %, ${duration(left)} left]`;
  }

  #clear(): void {
    if (this.#isTerminal) this.#write('\r\u001b[K');
  }
}

function describe({ scenario, target, load, round }: Step): string {
  return [scenario, load, target, round].filter((part) => part !== '').join(' · ');
}

/** As `4 min 10 s`. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
