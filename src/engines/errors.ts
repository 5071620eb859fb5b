/** Why an activation was left to the next engine, as words for metrics. */
export const REFUSAL_REASONS = [
  /** No template is ready yet; one is made as soon as the thread has a moment. */
  'no_template',
  /** The run has other variables than the templates reserve; another is made. */
  'other_names',
  /** The strings are longer than what the template reserves; it is made anew, up to a bound. */
  'too_large',
  /** The executable or what it is loaded with is not the one of the template. */
  'changed',
  /** This action can't have a template, or the last attempts failed; tried again later. */
  'unsuitable',
  /** Clones of it ended by faults, one after another; tried again later. */
  'given_up',
  /** No descriptors or no room in the socket. */
  'busy',
  /** The template said that it could not make the clone. */
  'not_cloned',
  /** Somebody has changed limits, priority or CPUs of the template or of the prewarmed clone; it is made anew. */
  'altered',
  /** The template ended before the clone had begun. */
  'lost',
] as const;

export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** A template can't be had of this action, or not at this point of it; the message says precisely why. */
export class UnsupportedError extends Error {
  override readonly name: string = 'UnsupportedError';
}

/** The machine was too busy for it, or short of descriptors: another attempt, later, may do. */
export class BuildTimeoutError extends UnsupportedError {
  override readonly name = 'BuildTimeoutError';
}

/** A file changed meanwhile: another attempt, once that has settled, may do. */
export class FilesChangedError extends UnsupportedError {
  override readonly name = 'FilesChangedError';
}
