import { InvalidReport } from '../report/read.js';

/** Where a command writes to; `process` is one. */
export interface CommandIo {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** A command line that can't be followed; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What a command answers when it can't do what it was asked for. */
const UNUSABLE = 2;

/**
 * Runs a command's body and turns what the user can mend into a message and the exit code 2: a wrong option, a file
 * that is no report, a folder that can't be written to. `--help` prints the usage.
 */
export async function runCommand(
  argv: readonly string[],
  io: CommandIo,
  usage: string,
  body: () => Promise<number>,
): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    io.stdout.write(usage);
    return 0;
  }
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof Error) || !isMendable(error)) throw error;
    const wantsUsage = !(error instanceof InvalidReport) && !isSystemError(error);
    io.stderr.write(`${error.message}\n${wantsUsage ? usage : ''}`);
    return UNUSABLE;
  }
}

const isSystemError = (error: Error): boolean => 'syscall' in error;

/** parseArgs throws TypeErrors with such a code. */
const isArgumentError = (error: Error): boolean =>
  'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');

const isMendable = (error: Error): boolean =>
  error instanceof InvalidReport ||
  error instanceof UsageError ||
  isArgumentError(error) ||
  isSystemError(error);

/** Exactly one operand. */
export function onlyOperand(operands: readonly string[], what: string): string {
  const [operand] = operands;
  if (operand === undefined || operands.length > 1) throw new UsageError(`${what}: exactly one is needed`);
  return operand;
}

/** Items of a list such as `html,md`, each of which has to be allowed. */
export function readList<Item extends string>(
  option: string,
  text: string,
  allowed: readonly Item[],
): Item[] {
  return text.split(',').map((word) => {
    const item = allowed.find((one) => one === word.trim());
    if (item === undefined) throw new UsageError(`${option}: “${word}” is none of ${allowed.join(', ')}`);
    return item;
  });
}
