/** Texts beside lines: broken into short lines, and moved apart where they would overlap. */

/** Cuts a text that is too long, and says so by an ellipsis. */
export const truncate = (text: string, maxCharacters: number): string =>
  text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters - 1).trimEnd()}…`;

/** Breaks a text at spaces into at most `lines` lines of `width` characters; what is left over is cut. */
export function wrap(text: string, width: number, lines: number): string[] {
  const wrapped: string[] = [];
  let rest = text.trim();
  while (rest !== '' && wrapped.length < lines) {
    if (rest.length <= width || wrapped.length === lines - 1) {
      wrapped.push(truncate(rest, width));
      break;
    }
    const space = rest.lastIndexOf(' ', width);
    const hyphen = rest.lastIndexOf('-', width - 1) + 1;
    const at = space > 0 ? space : hyphen > 1 ? hyphen : width;
    wrapped.push(rest.slice(0, at).trimEnd());
    rest = rest.slice(at).trimStart();
  }
  return wrapped;
}

interface Placed {
  /** Where it would like its middle to be. */
  readonly wanted: number;
  readonly height: number;
}

/**
 * Where the middles go, as near to the wanted places as there is room, in the order of those.
 *
 * @param top and `bottom` of the room; where it is too small, the labels keep their order and share it
 */
export function spread(labels: readonly Placed[], top: number, bottom: number): number[] {
  const order = labels.map((_, index) => index);
  order.sort((a, b) => (labels[a]?.wanted ?? 0) - (labels[b]?.wanted ?? 0));
  const total = labels.reduce((sum, { height }) => sum + height, 0);
  const squeeze = total === 0 ? 1 : Math.min(1, (bottom - top) / total);
  const heightOf = (index: number): number => (labels[index]?.height ?? 0) * squeeze;
  const places = labels.map(({ wanted }) => wanted);
  let edge = top;
  for (const index of order) {
    places[index] = Math.max(places[index] ?? 0, edge + heightOf(index) / 2);
    edge = (places[index] ?? 0) + heightOf(index) / 2;
  }
  edge = bottom;
  for (const index of order.toReversed()) {
    places[index] = Math.min(places[index] ?? 0, edge - heightOf(index) / 2);
    edge = (places[index] ?? 0) - heightOf(index) / 2;
  }
  return places;
}
