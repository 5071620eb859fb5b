import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../protocol/message-of.js';
import { COLOURS, PLAIN, render } from '../top/render.js';
import { scrape } from '../top/scrape.js';
import { Screen } from '../top/screen.js';
import type { Snapshot } from '../top/snapshot.js';
import { viewOf } from '../top/view.js';
import { reportUsageErrors } from './command.js';

/** Its options as they were given. */
interface TopValues {
  readonly 'metrics-url': string;
  readonly interval: string;
  readonly once: boolean;
  readonly json: boolean;
}

const MIN_INTERVAL_SECONDS = 0.1;
const MAX_INTERVAL_SECONDS = 3600;

interface TopOptions {
  readonly url: string;
  readonly intervalMs: number;
  readonly once: boolean;
  readonly json: boolean;
}

/**
 * `hyperskeleton top`: what a running server does, from its /metrics: rates, percentiles and phases of the last
 * interval. On a terminal it is drawn anew each time; elsewhere it is printed, as text or as a line of JSON.
 *
 * @returns the exit status: 0; 1 where the server can't be asked; 2 for a command line that can't be understood
 */
export async function topCommand({ values }: { readonly values: TopValues }): Promise<number> {
  const options = readTopOptions(values);
  if (typeof options === 'number') return options;
  try {
    const before = await scrape(options.url);
    if (options.once || options.json || !process.stdout.isTTY) await print(options, before);
    else await show(options, before);
    return 0;
  } catch (error) {
    process.stderr.write(`hyperskeleton: ${messageOf(error)}\n`);
    return 1;
  }
}

async function show(options: TopOptions, before: Snapshot): Promise<void> {
  const screen = new Screen(process.stdout, process.stdin);
  try {
    await Promise.race([screen.left, watch(options, before, screen)]);
  } finally {
    screen.close();
  }
  // A request may be under way; nobody waits for it.
  process.exit(0);
}

function readTopOptions({ 'metrics-url': url, interval, once, json }: TopValues): TopOptions | number {
  const seconds = Number(interval);
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    return reportUsageErrors([`--metrics-url is no URL that begins with http: or https:: ${url}`]);
  }
  if (!(seconds >= MIN_INTERVAL_SECONDS && seconds <= MAX_INTERVAL_SECONDS)) {
    return reportUsageErrors([
      `--interval is no number of seconds from ${MIN_INTERVAL_SECONDS} to ${MAX_INTERVAL_SECONDS}: ${interval}`,
    ]);
  }
  return { url, intervalMs: seconds * 1000, once, json };
}

async function print({ url, intervalMs, once, json }: TopOptions, first: Snapshot): Promise<void> {
  // Who reads may have had enough, as `head` has.
  process.stdout.on('error', () => process.exit(0));
  let before = first;
  for (;;) {
    await delay(intervalMs);
    const after = await scrape(url);
    const view = viewOf(before, after);
    const text = json ? JSON.stringify(view) : render(view, url, PLAIN).join('\n');
    process.stdout.write(`${text}\n`);
    if (once) return;
    if (!json) process.stdout.write('\n');
    before = after;
  }
}

/** Until the person leaves. A server that is away for a while is waited for. */
async function watch({ url, intervalMs }: TopOptions, first: Snapshot, screen: Screen): Promise<never> {
  const paint = process.env.NO_COLOR ? PLAIN : COLOURS;
  screen.draw([paint.bold('hyperskeleton top'), `waiting for the first ${intervalMs / 1000} s`]);
  let before = first;
  for (;;) {
    await delay(intervalMs);
    try {
      const after = await scrape(url);
      screen.draw([...render(viewOf(before, after), url, paint), '', paint.dim('q ends')]);
      before = after;
    } catch (error) {
      const reason = messageOf(error);
      screen.draw([paint.bold('hyperskeleton top'), paint.bad(reason), '', paint.dim('q ends')]);
    }
  }
}
