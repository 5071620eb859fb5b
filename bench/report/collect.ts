/** Items by their key, keys in the order of their first item; Map.groupBy, which Node 20 lacks. */
export function collect<Item, Key>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const collected = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const others = collected.get(key);
    if (others === undefined) collected.set(key, [item]);
    else others.push(item);
  }
  return collected;
}
