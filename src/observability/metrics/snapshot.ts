/** What a table of sources has said: a value for each. */
export type Snapshot<Sources> = {
  readonly [Name in keyof Sources]: Sources[Name] extends () => infer Value ? Value : never;
};

/**
 * Takes a snapshot of sources. Each is asked when its value is first read, and once: a source that nobody reads costs
 * nothing, and one that throws does so for those that read it.
 */
export function snapshotOf<Sources extends Readonly<Record<keyof Sources, () => unknown>>>(
  sources: Sources,
): Snapshot<Sources> {
  const snapshot = {};
  for (const name of Object.keys(sources) as (keyof Sources)[]) {
    Object.defineProperty(snapshot, name, {
      configurable: true,
      get() {
        const value = sources[name]();
        Object.defineProperty(snapshot, name, { value });
        return value;
      },
    });
  }
  return snapshot as Snapshot<Sources>;
}
