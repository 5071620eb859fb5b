/** A function on the way from a thread's start to where the time went, with what lies above it. */
export interface Frame {
  readonly name: string;
  readonly kind: FrameKind;
  samples: number;
  readonly callees: Map<string, Frame>;
}

export type FrameKind = 'kernel' | 'javascript' | 'native';

/** Who was seen at work. */
type Role = 'main thread' | 'worker threads' | 'templates' | 'actions';

/** What each of them did. */
export type Profile = ReadonlyMap<Role, Frame>;

/**
 * Folds what `perf script -F comm,pid,tid,ip,sym,dso` prints into one tree for each role.
 *
 * @param server its process id: its main thread has the same number
 */
export function fold(text: string, server: number): Profile {
  const profile = new Map<Role, Frame>();
  for (const sample of text.split('\n\n')) {
    const [head, ...lines] = sample.split('\n').filter((line) => line.trim() !== '');
    const role = head === undefined ? undefined : roleOf(head, server);
    if (role === undefined || lines.length === 0) continue;
    let frame = profile.get(role);
    if (frame === undefined) {
      frame = { name: role, kind: 'native', samples: 0, callees: new Map() };
      profile.set(role, frame);
    }
    frame.samples++;
    // The innermost function comes first.
    for (const line of lines.reverse()) frame = descend(frame, line);
  }
  return profile;
}

function roleOf(head: string, server: number): Role | undefined {
  const match = /^\s*(.+?)\s+(\d+)\/(\d+)\s/.exec(`${head} `);
  if (match === null) return undefined;
  const [, command, pid, thread] = match;
  if (command === 'hs-template') return 'templates';
  if (command === 'exec') return 'actions';
  if (Number(pid) !== server) return undefined;
  return Number(thread) === server ? 'main thread' : 'worker threads';
}

function descend(parent: Frame, line: string): Frame {
  const match = /^\s*[0-9a-f]+\s+(.*?)(?:\+0x[0-9a-f]+)?\s+\(([^()]*)\)\s*$/.exec(line);
  const object = match?.[2] ?? '';
  const found = nameOf(match?.[1] ?? '[unknown]', object);
  const frame = parent.callees.get(found.name);
  if (frame !== undefined) {
    frame.samples++;
    return frame;
  }
  const fresh: Frame = { ...found, samples: 1, callees: new Map() };
  parent.callees.set(found.name, fresh);
  return fresh;
}

/** V8 names what it compiled `JS:*name /folder/file.js:line:column`; the mark says how well it was compiled. */
function nameOf(symbol: string, object: string): Pick<Frame, 'name' | 'kind'> {
  const script = /^(?:JS|Eval|Script):[*^~+]?(\S*) (.*)$/.exec(symbol);
  if (script !== null) {
    const [, name, place = ''] = script;
    return { name: `${name || '(anonymous)'} ${shortPlace(place)}`, kind: 'javascript' };
  }
  const file = object.split('/').at(-1) ?? '';
  if (object.startsWith('[kernel')) return { name: symbol, kind: 'kernel' };
  return { name: symbol === '[unknown]' ? `(in ${file})` : symbol, kind: 'native' };
}

function shortPlace(place: string): string {
  return place
    .split(' ')[0]
    ?.replace(/:\d+:\d+$/, '')
    .split('/')
    .slice(-2)
    .join('/') as string;
}
