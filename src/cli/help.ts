import { allowedText } from '../config/load.js';
import { SETTINGS, type Setting } from '../config/settings.js';

/** The text of `hyperskeleton --help`, from the table of settings. */
export function helpText(): string {
  const settings = Object.values(SETTINGS).map(describe).join('\n');
  return `hyperskeleton: any executable as an OpenWhisk action

Usage:
  hyperskeleton serve [flags]   serve /init and /run until SIGTERM
  hyperskeleton bench [flags]   measure runtimes side by side; bench --help tells how
  hyperskeleton --version       print the version
  hyperskeleton --help          print this text

Flags of serve; each can be set by an environment variable, the flag wins:
${settings}
`;
}

function describe(setting: Setting): string {
  const allowed = allowedText(setting.kind);
  const fallback = setting.default === '' ? 'not set' : (setting.default ?? setting.derived);
  const facts = [
    `env ${setting.env.join(', ')}`,
    ...(allowed === undefined ? [] : [allowed]),
    `default: ${fallback}`,
  ];
  return `  --${setting.flag}\n      ${setting.sentence}\n      (${facts.join('; ')})`;
}
