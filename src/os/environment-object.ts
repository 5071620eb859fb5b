/**
 * An environment as Node's child_process takes it. It has no prototype, so that a variable may have any name, `__proto__`
 * too.
 */
export function environmentObject(
  variables: Iterable<readonly [name: string, value: string]>,
): Record<string, string> {
  const environment = Object.create(null) as Record<string, string>;
  for (const [name, value] of variables) environment[name] = value;
  return environment;
}

/** Name and value of an entry `NAME=value`. */
export function variableOf(entry: Buffer): [name: string, value: string] {
  const equals = entry.indexOf(0x3d);
  return [entry.toString('utf8', 0, equals), entry.toString('utf8', equals + 1)];
}
