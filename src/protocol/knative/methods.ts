/** The methods that the platform may name (C-KN-01). */
const KNOWN = ['get', 'post', 'put', 'delete', 'options'] as const;
export type KnativeMethod = (typeof KNOWN)[number];

/** What __OW_HTTP_METHODS asks for. */
interface KnativeMethods {
  readonly methods: readonly KnativeMethod[];
  /** What is to be told on stderr: a line for each name that is no method. */
  readonly warnings: readonly string[];
}

/**
 * Reads __OW_HTTP_METHODS (C-KN-01, C-KN-02): `[get,POST]`, names in any case, blanks around them allowed.
 * Without brackets, empty or unset it means POST.
 */
export function parseHttpMethods(text: string | undefined): KnativeMethods {
  const list = /^\[(.*)\]$/s.exec((text ?? '').trim())?.[1];
  if (list === undefined) return { methods: ['post'], warnings: [] };
  const methods = new Set<KnativeMethod>();
  const warnings: string[] = [];
  for (const name of new Set(list.split(',').map((one) => one.trim()))) {
    const known = KNOWN.find((method) => method === name.toLowerCase());
    if (known !== undefined) methods.add(known);
    else if (name !== '')
      warnings.push(
        `Environment variable '__OW_HTTP_METHODS' has an unrecognised value (${name.toUpperCase()}).`,
      );
  }
  return { methods: methods.size === 0 ? ['post'] : [...methods], warnings };
}
