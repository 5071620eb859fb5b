import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A headless browser that looks at a page as a reader would. */

const BROWSER = 'chromium-headless-shell';

/** Whether there is one; Debian's package has the program's name. */
export const hasBrowser: boolean = (() => {
  try {
    execFileSync(BROWSER, ['--version'], { stdio: 'ignore', timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
})();

if (!hasBrowser)
  process.stderr.write(
    `There is no ${BROWSER}: the look of reports is not tested. Debian has it: apt-get install ${BROWSER} fonts-dejavu-core\n`,
  );

interface View {
  readonly width?: number;
  readonly dark?: boolean;
}

/** The page's document, as HTML, after its scripts ran; nothing but files can be reached. */
export function dumpDom(html: string, { width = 1120, dark = false }: View = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'bench-report-'));
  try {
    const path = join(folder, 'page.html');
    writeFileSync(path, html);
    return execFileSync(
      BROWSER,
      [
        '--no-sandbox',
        '--disable-gpu',
        '--hide-scrollbars',
        `--user-data-dir=${join(folder, 'profile')}`,
        '--host-resolver-rules=MAP * ~NOTFOUND',
        `--blink-settings=preferredColorScheme=${dark ? 0 : 1}`,
        `--window-size=${width},900`,
        '--dump-dom',
        pathToFileURL(path).href,
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 60_000, maxBuffer: 64 * 2 ** 20 },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * What an expression is in the page. The page's own policy would forbid it, so it is taken out first.
 *
 * @param script an expression of the browser's, whose value JSON can hold
 */
export function evaluate(html: string, script: string, view: View = {}): unknown {
  const open = html.replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '');
  const asking = `<script>document.documentElement.dataset.answer=JSON.stringify((${script})())</script>`;
  const dom = dumpDom(open.replace('</body>', `${asking}</body>`), view);
  const answer = /data-answer="([^"]*)"/.exec(dom)?.[1];
  if (answer === undefined) throw new Error('the page gave no answer');
  return JSON.parse(
    answer.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
  );
}
