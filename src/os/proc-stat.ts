/**
 * The fields of `/proc/[pid]/stat` behind the command's name, from the state on (proc(5)): the name may hold blanks and
 * parentheses, so they are counted from the last parenthesis.
 */
export function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
